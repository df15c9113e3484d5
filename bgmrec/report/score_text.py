"""The parts of a published score in words, for the page and for the terminal."""

from __future__ import annotations

from typing import Any

from bgmrec.report.numbers import significant

PARTS = (
    ("ratings", "their ratings"),
    ("prior", "side information"),
    ("item", "the track itself"),
    ("rest", "rest"),
)
NO_PARTS = (
    "The parts of the scores are not shown: with bayes.draws above 0 each score is a mean over many models, whose "
    "equations are not stored."
)
NO_TITLES = "Tracks are shown by their ids. Set report.title_field to the item field with their titles."
LEAST = 0.005  # parts with a smaller share of all parts are not shown


def score_parts_text(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a score with a share of at least `LEAST`: key, name, amount, and share of the sum of all sizes.

    Args:
        row: a row of a list; under `why` the parts of its score, where they are known.
    """
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
    """A score as a sum: 0.90 = 0.70 their ratings + 0.20 side information.

    Args:
        row: of `score_parts_text`.
    """
    parts = score_parts_text(row)
    words = [
        f"{_sign(part['amount'], is_first=not n)}{significant(abs(part['amount']))} {part['name']}"
        for n, part in enumerate(parts)
    ]
    return f"{significant(row['score'])} = {' '.join(words)}"


def _sign(amount: float, *, is_first: bool) -> str:
    if amount < 0:
        return "−" if is_first else "− "
    return "" if is_first else "+ "
