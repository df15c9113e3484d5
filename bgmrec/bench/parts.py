"""What every benchmark shares: the session, repeated times, peak memory, and the result as a table and as JSON.

No job of its own: a part of benchmark.
"""

from __future__ import annotations

import importlib.metadata
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from bgmrec.config import Settings
from bgmrec.evaluate.table import aligned
from bgmrec.factorize.blocks.prepare import Sizes
from bgmrec.factorize.blocks.ratings import num_blocks
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.memory import watched
from bgmrec.storage import files
from bgmrec.storage.tables import Tables
from bgmrec.synthetic.power_law import PowerLaw, power_law_ratings

LIBRARIES = ("bgmrec", "pyspark", "numpy", "numba", "torch", "petastorm", "pyarrow", "implicit")
MEGABYTE = 2**20


@dataclass(frozen=True)
class Times:
    """Seconds of every repetition, in order."""

    seconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def per(self, n: float) -> Times:
        """The same per iteration, or rating."""
        return Times([seconds / n for seconds in self.seconds])

    def facts(self) -> dict[str, Any]:
        low, high = min(self.seconds), max(self.seconds)
        return {"median_s": rounded(self.median), "min_s": rounded(low), "max_s": rounded(high), "n": len(self.seconds)}


@dataclass(frozen=True)
class Result:
    """One comparison.

    Args:
        name: of the sub-command and the peer.
        ours, peer: times of the same work.
        quality_ours, quality_peer: training RMSE, list agreement or what fits; none where there is nothing to compare.
        facts: whatever else was found.
    """

    name: str
    ours: Times
    peer: Times
    quality_ours: float | None = None
    quality_peer: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """One JSON object; `ratio` above 1: we are faster."""
        return {
            "name": self.name,
            "ratio": rounded(self.peer.median / self.ours.median),
            "ours_s": rounded(self.ours.median),
            "peer_s": rounded(self.peer.median),
            "quality_ours": None if self.quality_ours is None else rounded(self.quality_ours, 6),
            "quality_peer": None if self.quality_peer is None else rounded(self.quality_peer, 6),
            "ours": self.ours.facts(),
            "peer": self.peer.facts(),
            **self.facts,
        }


@dataclass
class Bench:
    """What a benchmark gets.

    Args:
        spark: the one session of ours and of Spark's own peer.
        settings: all settings.
        place: where tables go.
        progress: told every repetition.
        repeats: of every measurement.
        partitions: of the rating rows, for both.
        peaks: megabytes by what was measured.
    """

    spark: SparkSession
    settings: Settings
    store: Tables
    progress: Progress
    repeats: int
    partitions: int
    peaks: dict[str, dict[str, int]] = field(default_factory=dict)

    def timed(self, what: str, body: Callable[[int], Any], repeats: int | None = None) -> Times:
        """Times `body(repetition)`; a first, unmeasured one compiles and warms up where the caller does it."""
        seconds = []
        with self.watched(what):
            for repetition in range(repeats or self.repeats):
                began = time.perf_counter()
                body(repetition)
                seconds.append(time.perf_counter() - began)
                self.progress.done("benchmark", what=what, repetition=repetition + 1, seconds=rounded(seconds[-1]))
        return Times(seconds)

    @contextmanager
    def watched(self, what: str) -> Iterator[None]:
        """Remembers the peak memory of what happens inside."""
        with watched() as peak:
            yield
        before = self.peaks.get(what, {"all_mb": 0, "workers_mb": 0})
        now = {"all_mb": peak.bytes // MEGABYTE, "workers_mb": peak.workers // MEGABYTE}
        self.peaks[what] = {name: max(before[name], now[name]) for name in now}

    def ratings(self, shape: PowerLaw, name: str = "generated") -> DataFrame:
        """Generated ratings, written once: user_idx, item_idx, rating, weight."""
        self.progress.update("benchmark", step="generating", ratings=shape.ratings)
        return self.store.write(power_law_ratings(self.spark, shape, 4 * self.partitions), name)

    def sizes(self, ratings: DataFrame, shape: PowerLaw) -> Sizes:
        """Sizes and blocks of generated ratings."""
        n, settings = ratings.count(), self.settings.factorize
        blocks = (num_blocks(shape.users, n, settings), num_blocks(shape.items, n, settings))
        return Sizes(shape.users, shape.items, n, 0, 0.0, *blocks)

    def fresh(self, name: str) -> Tables:
        """An empty folder."""
        files.delete(self.spark, self.store.path(name))
        return self.store.below(name)


def machine(load_before: float) -> dict[str, Any]:
    """Cores, load and versions."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"cores": os.cpu_count(), "load_before": rounded(load_before, 2), "versions": versions}


def show(document: dict[str, Any]) -> str:
    """A result for people."""
    keys = ("name", "ratio", "ours_s", "peer_s", "quality_ours", "quality_peer")
    head = (key.replace("_", " ") for key in keys)
    return aligned([list(head), ["" if document[key] is None else str(document[key]) for key in keys]])


def rounded(value: float, digits: int = 4) -> float:
    """To so many significant digits."""
    return float(f"{value:.{digits}g}")
