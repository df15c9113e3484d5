"""How a run's input differs from the runs before: profiles compared number by number, without Spark.

The values of a field are compared by the population stability index, sum((q - p) ln(q / p)) over bins with the shares p
before and q now. Where both runs have one distribution, its n m / (n + m) fold is chi-squared with as many degrees of
freedom as bins less one (Yurdakul 2018), so that what chance explains in n and m rows is known and is no change.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from bgmrec.config.profile import ProfileSettings

Profile = Mapping[str, Any]  # of one source, from `bgmrec.ingest.profile`

_LABELS = 19  # values that are bins of their own; all others are one more
_BINS = 10  # of numbers that have more values
_CHANCE = 4.0  # standard deviations that are left to chance: a run has dozens of numbers
_LEAST_ROWS = 100  # numbers of rows and ids below it are not compared by their factor


@dataclass(frozen=True)
class Change:
    """A number of a run and of the runs before.

    Args:
        source: name of the source.
        what: the number.
        before: median of the runs before; None: the index alone is known.
        now: of this run; None: likewise.
        measured: what the bound applies to: the index, the difference of shares, or the factor.
        bound: from the settings; None: not bounded.
        beyond: whether it is exceeded, by more than chance.
    """

    source: str
    what: str
    before: float | None
    now: float | None
    measured: float
    bound: float | None
    beyond: bool

    def __str__(self) -> str:
        if self.before is None or self.now is None:
            return f"{self.what} of {self.source}: {self.measured:.3g} (at most {self.bound:g})"
        if self.what.startswith("share"):
            change = f"{self.now:.1%}, before {self.before:.1%} (at most {100 * (self.bound or 0):g} points apart)"
        else:
            change = f"{self.now:,.0f}, before {self.before:,.0f} (at most {self.bound:g} times)"
        return f"{self.what} of {self.source}: {change}"


def compare(
    now: Mapping[str, Profile], before: Sequence[Mapping[str, Profile]], settings: ProfileSettings
) -> list[Change]:
    """All compared numbers of the sources that runs before had too.

    Args:
        now: profile by source.
        before: the same of the runs before.
        settings: the bounds.
    """
    changes = []
    for source, profile in now.items():
        runs = [run[source] for run in before if source in run and _kept(run[source])]
        if runs:
            changes += [
                *_factors(source, profile, runs, settings.max_factor),
                *_shares(source, profile, runs, settings.max_share_change),
                *_indices(source, profile, runs, settings.max_psi),
            ]
    return changes


def stability_index(before: Sequence[float], now: Sequence[float]) -> float:
    """The population stability index of two distributions, 0 where they are equal.

    Args:
        before: amount by bin.
        now: amount by bin.
    """
    # half a row more in each bin: an empty one is no infinite change
    p, q = ([(amount + 0.5) / (sum(part) + len(part) / 2) for amount in part] for part in (before, now))
    return sum((new - old) * math.log(new / old) for old, new in zip(p, q, strict=True))


def _kept(profile: Profile) -> int:
    return int(profile["rows"]["kept"])


def _factors(source: str, now: Profile, runs: Sequence[Profile], bound: float | None) -> Iterator[Change]:
    numbers = {"rows kept": _kept} | {
        f"distinct {name}": lambda run, name=name: run["ids"].get(name, {}).get("distinct") for name in now["ids"]
    }
    for what, number in numbers.items():
        earlier = [value for run in runs if (value := number(run)) is not None]
        if not earlier:
            continue
        then, today = median(earlier), number(now)
        factor = max(then, today, 1) / max(min(then, today), 1)
        beyond = bound is not None and factor > bound and max(then, today) >= _LEAST_ROWS
        yield Change(source, what, then, today, factor, bound, beyond)


def _shares(source: str, now: Profile, runs: Sequence[Profile], bound: float | None) -> Iterator[Change]:
    earlier = [dict(_parts(run)) for run in runs]
    for what, (share, n) in _parts(now):
        known = [run[what] for run in earlier if what in run]
        if known:
            yield _share(source, what, known, share, n, bound)
    encodings = {name for run in runs for name in run["encodings"]}
    if encodings and now["encodings"]:
        what = "share of files in an encoding not seen before"
        n = sum(now["encodings"].values())
        share = sum(count for name, count in now["encodings"].items() if name not in encodings) / n
        yield Change(source, what, 0.0, share, share, bound, bound is not None and share > bound)


def _share(
    source: str, what: str, known: Sequence[tuple[float, int]], share: float, n: int, bound: float | None
) -> Change:
    then, rows = median(part for part, _ in known), median(rows for _, rows in known)
    mean = (then * rows + share * n) / (rows + n)
    chance = _CHANCE * math.sqrt(mean * (1 - mean) * (1 / rows + 1 / n))
    moved = abs(share - then)
    return Change(source, what, then, share, moved, bound, bound is not None and moved > max(bound, chance))


def _parts(profile: Profile) -> Iterator[tuple[str, tuple[float, int]]]:
    """Name → (share, of how many)."""
    kept, rejected = _kept(profile), profile["rows"]["rejected"]
    if kept + rejected:
        yield "share of rows rejected", (rejected / (kept + rejected), kept + rejected)
    if not kept:
        return
    for name, field in profile["fields"].items():
        yield f"share of nulls in {name}", (field["nulls"] / kept, kept)
    for name, ids in profile["ids"].items():
        yield f"share of rows with {name} outside ASCII", (ids["non_ascii"] / kept, kept)
        yield f"share of rows with {name} ending in .0", (ids["point_zero"] / kept, kept)
        if ids["largest_share"] is not None:
            yield f"share of rows with the most frequent {name}", (ids["largest_share"], kept)
        if ids["new_share"] is not None and ids["distinct"]:
            yield f"share of new {name}", (ids["new_share"], ids["distinct"])


def _indices(source: str, now: Profile, runs: Sequence[Profile], bound: float | None) -> Iterator[Change]:
    for name, field in now["fields"].items():
        earlier = [run["fields"][name] for run in runs if name in run["fields"]]
        pairs = [pair for before in earlier if (pair := _binned(before, field)) is not None]
        if not pairs:
            continue
        index = median(stability_index(*pair) for pair in pairs)
        chance = median(_chance(*pair) for pair in pairs)
        beyond = bound is not None and index > max(bound, chance)
        yield Change(source, f"stability index of {name}", None, None, index, bound, beyond)


def _chance(before: Sequence[float], now: Sequence[float]) -> float:
    """The index that chance may reach where both are samples of one distribution."""
    freedom = len(before) - 1
    return (freedom + _CHANCE * math.sqrt(2 * freedom)) * (1 / sum(before) + 1 / sum(now))


def _binned(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[float], list[float]] | None:
    """Amounts by bin, the bins made from the run before; None: a run has no values, or there is one bin."""
    if not before["sampled"] or not now["sampled"] or before["kind"] != now["kind"]:
        return None
    few = all(field["values"] <= len(field["top"]) for field in (before, now))
    quantiles = before["quantiles"], now["quantiles"]
    if few or None in quantiles:
        return _by_label(before, now) if before["top"] else None
    edges = sorted(set(quantiles[0][len(quantiles[0]) // _BINS :: len(quantiles[0]) // _BINS][: _BINS - 1]))
    return _by_edge(quantiles[0], edges, before["sampled"]), _by_edge(quantiles[1], edges, now["sampled"])


def _by_label(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[float], list[float]] | None:
    counts = dict(before["top"]), dict(now["top"])
    labels = list(counts[0])[:_LABELS]
    parts = []
    for field, of in zip((before, now), counts, strict=True):
        named = [float(of.get(label, 0)) for label in labels]
        parts.append([*named, max(0.0, field["sampled"] - sum(named))])
    used = [at for at in range(len(labels) + 1) if parts[0][at] or parts[1][at]]
    return ([parts[0][at] for at in used], [parts[1][at] for at in used]) if len(used) > 1 else None


def _by_edge(quantiles: Sequence[float], edges: Sequence[float], n: int) -> list[float]:
    below = [0, *(bisect_right(quantiles, edge) for edge in edges), len(quantiles)]
    return [n * (high - low) / len(quantiles) for low, high in pairwise(below)]
