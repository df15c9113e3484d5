"""What has changed in the data since the previous run, from the facts of both runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """A quantity of two runs, and how much it changed.

    Args:
        name: name of the quantity.
        before: value in the previous run; None: only the distance of two distributions is known.
        now: value in this run; None: likewise.
        moved: relative change, for shares the difference, for distributions their distance.
        is_share: whether the values are shares.
    """

    name: str
    before: float | None
    now: float | None
    moved: float
    is_share: bool = False


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Changes of sizes, distributions and coverage.

    Args:
        before: `data` and `run` of the facts of the previous run.
        now: the same of this run.
    """
    rows = [
        _relative(name, float(before["run"][key]), float(now["run"][key]))
        for name, key in (("training ratings", "train"), ("users", "users"), ("tracks", "items"))
    ]
    distances = {
        "ratings by value": ("values", lambda rows: {(row["low"], row["high"]): row["n"] for row in rows}),
        "users by activity": ("per_user", lambda rows: {row["level"]: row["n"] for row in rows}),
        "tracks by popularity": ("per_item", lambda rows: {row["level"]: row["n"] for row in rows}),
        "ratings by group of the tracks": ("groups", dict),
    }
    for name, (key, shares) in distances.items():
        earlier, later = shares(before["data"][key]), shares(now["data"][key])
        if len(earlier) > 1 or len(later) > 1:
            rows.append(Change(f"{name}, distance", None, None, distance(earlier, later)))
    for side in ("users", "items"):
        rows += _coverage(side, before["data"]["coverage"][side], now["data"]["coverage"][side])
    return rows


def distance(one: Mapping[Any, float], other: Mapping[Any, float]) -> float:
    """Total variation distance of two distributions: 0 (equal) to 1 (disjoint).

    Args:
        one: amount by value.
        other: amount by value.
    """
    totals = [sum(part.values()) or 1.0 for part in (one, other)]
    keys = one.keys() | other.keys()
    return sum(abs(one.get(key, 0) / totals[0] - other.get(key, 0) / totals[1]) for key in keys) / 2


def _relative(name: str, before: float, now: float) -> Change:
    return Change(name, before, now, now / before - 1 if before else 0.0)


def _coverage(side: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """The field of a side whose coverage moved most."""
    moved = {name: now[name]["entities"] - before[name]["entities"] for name in now if name in before}
    if not moved:
        return []
    most = max(moved, key=lambda name: abs(moved[name]))
    name = f"{'users' if side == 'users' else 'tracks'} with a value in {most}"
    return [Change(name, before[most]["entities"], now[most]["entities"], moved[most], is_share=True)]
