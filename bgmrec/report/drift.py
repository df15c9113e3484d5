"""What has changed in the data from one night to the next, out of the facts of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """A quantity before and now, and by how much it moved: relative, absolute for shares, or a distance alone."""

    name: str
    before: float | None
    now: float | None
    moved: float
    is_share: bool = False


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Sizes, distributions and coverage.

    Args:
        before, now: `data` and `run` of the facts of two nights.
    """
    found = [
        _relative(name, float(before["run"][key]), float(now["run"][key]))
        for name, key in (("training ratings", "train"), ("users", "users"), ("tracks", "items"))
    ]
    distances = {
        "ratings by value": ("values", lambda rows: {(row["low"], row["high"]): row["n"] for row in rows}),
        "users by activity": ("per_user", lambda rows: {row["level"]: row["n"] for row in rows}),
        "tracks by popularity": ("per_item", lambda rows: {row["level"]: row["n"] for row in rows}),
        "ratings by group of the music": ("groups", dict),
    }
    for name, (key, shares) in distances.items():
        one, other = shares(before["data"][key]), shares(now["data"][key])
        if len(one) > 1 or len(other) > 1:
            found.append(Change(f"{name}, distance", None, None, distance(one, other)))
    for side in ("users", "items"):
        found += _coverage(side, before["data"]["coverage"][side], now["data"]["coverage"][side])
    return found


def distance(one: Mapping[Any, float], other: Mapping[Any, float]) -> float:
    """Total variation between two distributions, 0 (equal) to 1 (nothing in common)."""
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
    what = f"{side[:-1] if side == 'users' else 'music'} field {most}, known"
    return [Change(what, before[most]["entities"], now[most]["entities"], moved[most], is_share=True)]
