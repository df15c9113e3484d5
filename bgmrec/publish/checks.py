"""One check of the gate: a measured number, its threshold and whether it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bgmrec.config.serving import GateSettings

Status = Literal["passed", "failed", "warned", "off", "skipped"]


@dataclass(frozen=True)
class Check:
    """One measured number and its threshold.

    Args:
        name: what was measured.
        where: the table or metric that it was measured on.
        status: warned: the settings allow it with a warning; off: disabled by the settings; skipped: nothing to measure
            or to compare with.
        measured: the number; None: there is none.
        threshold: the threshold in words, with its number.
    """

    name: str
    where: str
    status: Status
    measured: float | None
    threshold: str

    def __str__(self) -> str:
        return f"{self.name} ({self.where}): {number_text(self.measured)}, expected {self.threshold}"


def input_checks(changes: Mapping[str, Sequence[Mapping[str, Any]]], settings: GateSettings) -> list[Check]:
    """One check per table of the input: the number of changes beyond the bounds of `[profile]`.

    Args:
        changes: of the input, by table.
        settings: `[publish.gate]`.
    """
    checks = []
    for table, compared in changes.items():
        beyond = [change for change in compared if change["beyond"]]
        names = ", ".join(f"{change['what']} of {change['source']}" for change in beyond)
        mode = settings.input_changes
        check = at_most("input changes", table, len(beyond) if compared else None, None if mode == "off" else 0)
        status: Status = "warned" if check.status == "failed" and mode == "warn" else check.status
        threshold = f"{check.threshold} beyond [profile]{f': {names}' if names else ''}"
        checks.append(replace(check, status=status, threshold=threshold))
    return checks


def at_least(name: str, where: str, measured: float | None, limit: float | None, suffix: str = "") -> Check:
    """The check that a number is at least its threshold.

    Args:
        name: what was measured.
        where: the table or metric that it was measured on.
        measured: the number; None: there is none.
        limit: the threshold; None: disabled.
        suffix: of the threshold in words.
    """
    holds = measured is not None and limit is not None and measured >= limit
    return Check(name, where, _status(measured, limit, holds), measured, _threshold("at least", limit, suffix))


def at_most(name: str, where: str, measured: float | None, limit: float | None, suffix: str = "") -> Check:
    """The check that a number is at most its threshold.

    Args:
        name: what was measured.
        where: the table or metric that it was measured on.
        measured: the number; None: there is none.
        limit: the threshold; None: disabled.
        suffix: of the threshold in words.
    """
    holds = measured is not None and limit is not None and measured <= limit
    return Check(name, where, _status(measured, limit, holds), measured, _threshold("at most", limit, suffix))


def _status(measured: float | None, limit: float | None, holds: bool) -> Status:
    if limit is None:
        return "off"
    if measured is None:
        return "skipped"
    return "passed" if holds else "failed"  # NaN fails every comparison


def _threshold(word: str, limit: float | None, suffix: str) -> str:
    return "anything (off)" if limit is None else f"{word} {number_text(limit)}{suffix}"


def number_text(number: float | None) -> str:
    """A number as errors show it.

    Args:
        number: None: there is none.
    """
    if number is None:
        return "nothing"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"
