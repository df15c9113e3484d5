"""The parts of a published score in words, for page and terminal."""

from __future__ import annotations

from typing import Any

from bgmrec.report.numbers import significant

PARTS = (
    ("ratings", "their ratings"),
    ("prior", "side information"),
    ("item", "the track itself"),
    ("rest", "the rest"),
)
NOT_APART = (
    "Scores are not taken apart: each is a mean over a sampler's draws, and every draw solved equations of its own, "
    "which are not kept."
)
LEAST = 0.005  # smaller shares than this are not worth a word


def score_parts_text(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a list's row that are worth a word: key, name, amount, and share of all amounts' sizes."""
    why = row.get("why")
    if not why:
        return []
    amounts = {key: why[key] for key, _ in PARTS}
    total = sum(map(abs, amounts.values())) or 1.0
    return [
        {"key": key, "name": name, "amount": amounts[key], "share": abs(amounts[key]) / total}
        for key, name in PARTS
        if abs(amounts[key]) / total >= LEAST
    ]


def sum_text(row: dict[str, Any]) -> str:
    """The sum that a score is: 0.90 = 0.70 their ratings + 0.20 side information."""
    parts = score_parts_text(row)
    words = [
        f"{_sign(part['amount'], n)}{significant(abs(part['amount']))} {part['name']}" for n, part in enumerate(parts)
    ]
    return f"{significant(row['score'])} = {' '.join(words)}"


def _sign(amount: float, folder: int) -> str:
    if amount < 0:
        return "−" if folder == 0 else "− "
    return "" if folder == 0 else "+ "
