"""What all benchmarks share: the session, repeated timing, peak memory, and the result as text and as JSON."""

from __future__ import annotations

import importlib.metadata
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from bgmrec.config import Settings
from bgmrec.evaluate.text import aligned
from bgmrec.factorize.blocks.prepare import DataSizes
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
    """Times of the same work.

    Args:
        seconds: of every repetition, in order.
    """

    seconds: list[float]

    @property
    def median(self) -> float:
        """Median of the repetitions, in seconds."""
        return statistics.median(self.seconds)

    def per(self, n: float) -> Times:
        """The times divided by a number.

        Args:
            n: of iterations or ratings.
        """
        return Times([seconds / n for seconds in self.seconds])

    def facts(self) -> dict[str, Any]:
        """Median, minimum, maximum and number of repetitions for the JSON line."""
        low, high = min(self.seconds), max(self.seconds)
        return {"median_s": rounded(self.median), "min_s": rounded(low), "max_s": rounded(high), "n": len(self.seconds)}


@dataclass(frozen=True)
class Result:
    """A comparison of two times of the same work.

    Args:
        name: of the benchmark, with its rank or peer.
        work: what was timed.
        peer_name: what bgmrec is compared with.
        ours: times of bgmrec.
        peer: times of the peer.
        quality_ours: training RMSE, agreement of lists or whatever fits; None where there is nothing to compare.
        quality_peer: the same of the peer.
        facts: further numbers for the JSON line; `quality` says what the qualities are.
        others: further comparisons of the same run.
    """

    name: str
    work: str
    peer_name: str
    ours: Times
    peer: Times
    quality_ours: float | None = None
    quality_peer: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    others: list[Result] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The JSON object; `ratio` is the peer's time divided by ours: above 1 bgmrec is faster."""
        others = {"others": [other.document() for other in self.others]} if self.others else {}
        return {
            "name": self.name,
            "work": self.work,
            "peer_name": self.peer_name,
            "ratio": rounded(self.peer.median / self.ours.median),
            "ours_s": rounded(self.ours.median),
            "peer_s": rounded(self.peer.median),
            "quality_ours": None if self.quality_ours is None else rounded(self.quality_ours, 6),
            "quality_peer": None if self.quality_peer is None else rounded(self.quality_peer, 6),
            "ours": self.ours.facts(),
            "peer": self.peer.facts(),
            **self.facts,
            **others,
        }


@dataclass
class Bench:
    """What a benchmark works with.

    Args:
        spark: the session of bgmrec and of MLlib.
        settings: all settings.
        store: folder of the tables.
        progress: gets every repetition.
        repeats: of every measurement.
        partitions: of the rating rows, for bgmrec and the peer.
        peaks: peak memory in megabytes by what was measured.
    """

    spark: SparkSession
    settings: Settings
    store: Tables
    progress: Progress
    repeats: int
    partitions: int
    peaks: dict[str, dict[str, int]] = field(default_factory=dict)

    def timed(self, what: str, body: Callable[[int], Any], repeats: int | None = None) -> Times:
        """Times repetitions of a function. The caller runs it once before, where it compiles or fills caches.

        Args:
            what: name of the work in the log.
            body: takes the number of the repetition, from 0.
            repeats: number of repetitions; None: `self.repeats`.
        """
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
        """Records the peak memory of the work inside.

        Args:
            what: name of the work in the result.
        """
        with watched() as peak:
            yield
        before = self.peaks.get(what, {"all_mb": 0, "workers_mb": 0})
        now = {"all_mb": peak.bytes // MEGABYTE, "workers_mb": peak.workers // MEGABYTE}
        self.peaks[what] = {name: max(before[name], now[name]) for name in now}

    def ratings(self, shape: PowerLaw, name: str = "generated") -> DataFrame:
        """Generates and writes ratings: user_idx, item_idx, rating, weight.

        Args:
            shape: of the ratings.
            name: of the table.
        """
        self.progress.update("benchmark", step="generating", ratings=shape.ratings)
        return self.store.write(power_law_ratings(self.spark, shape, 4 * self.partitions), name)

    def sizes(self, ratings: DataFrame, shape: PowerLaw) -> DataSizes:
        """The sizes of generated ratings, and the numbers of their blocks.

        Args:
            ratings: of `ratings`.
            shape: of the ratings.
        """
        n, settings = ratings.count(), self.settings.factorize
        blocks = (num_blocks(shape.users, n, settings), num_blocks(shape.items, n, settings))
        return DataSizes(shape.users, shape.items, n, 0, 0.0, *blocks)

    def fresh(self, name: str) -> Tables:
        """Deletes what is in a folder below `store`, and returns the folder.

        Args:
            name: of the folder.
        """
        files.delete(self.spark, self.store.path(name))
        return self.store.below(name)


def environment(load_before: float) -> dict[str, Any]:
    """The load of the machine before the measurement, and the versions of the libraries.

    Args:
        load_before: mean number of running processes in the minute before.
    """
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"load_before": rounded(load_before, 2), "versions": versions}


def text_table(document: dict[str, Any]) -> str:
    """A result and its further comparisons as lines of text.

    Args:
        document: of `Result.document`.
    """
    keys = ("name", "peer_name", "ratio", "ours_s", "peer_s", "quality_ours", "quality_peer")
    rows = [document, *document.get("others", [])]
    heading = [key.removesuffix("_name").replace("_", " ") for key in keys]
    return aligned([heading, *(["" if row[key] is None else str(row[key]) for key in keys] for row in rows)])


def rounded(value: float, digits: int = 4) -> float:
    """Rounds to significant digits.

    Args:
        value: the number.
        digits: significant digits.
    """
    return float(f"{value:.{digits}g}")


def scientific(n: float) -> str:
    """A large number as in 1e7 or 3.2e7.

    Args:
        n: the number.
    """
    return f"{n:.3g}".replace("e+0", "e").replace("e+", "e")
