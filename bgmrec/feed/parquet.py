"""Reads one shard of a feed table in Parquet through petastorm, as batches of arrays."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bgmrec.errors import SettingsError, TrainingError
from bgmrec.feed.petastorm_reader import NoDataAvailableError, Reader, count_rows, open_shard
from bgmrec.feed.rows import Rows, concatenate, cut, decode
from bgmrec.storage import columns as c


@dataclass(frozen=True)
class FeedSpec:
    """Folder of a feed table and how it is read; small and picklable, so that it can be sent to every process.

    Args:
        path: folder of the table, with or without a scheme.
        columns: the columns to read; `idx` must be one of them.
        seed: of the row order.
        memory_bytes: a shard with fewer bytes of decoded rows is read once and kept in memory; a larger one is read
            every epoch.
        results_queue_size: row groups that petastorm decodes ahead.
    """

    path: str
    columns: tuple[str, ...]
    seed: int
    memory_bytes: int = 2**30
    results_queue_size: int = 4

    def open(self, shard: int, shard_count: int) -> ParquetFeed:
        """Opens one shard.

        Args:
            shard: from 0.
            shard_count: number of shards.
        """
        return ParquetFeed(self, shard, shard_count)


class ParquetFeed:
    """One shard of a feed table: the row groups whose number modulo `shard_count` is `shard`.

    The order of rows depends on the seed, the epoch and the shard alone.

    Args:
        spec: of the table.
        shard: from 0.
        shard_count: number of shards.

    Raises:
        SettingsError: the table has fewer row groups than there are shards.
        TrainingError: the table or the shard is empty.
    """

    def __init__(self, spec: FeedSpec, shard: int, shard_count: int):
        self._spec, self._shard, self._shard_count = spec, shard, shard_count
        self._kept: Rows | None = None
        parts, nbytes = [], 0
        with self._reader(epoch=0) as reader:
            self.n_rows = count_rows(reader, shard, shard_count)
            for part in _parts(reader):
                parts.append(part)
                nbytes += part.nbytes
                if nbytes > spec.memory_bytes:
                    return  # too large for memory: every epoch reads the files
        if not parts:
            raise TrainingError(
                "a shard of the feed table has no rows",
                where=spec.path,
                expected="at least one row per shard",
                found=f"no row in shard {shard} of {shard_count}",
                hint="lower feed.processes",
            )
        rows = concatenate(parts)
        # sorted, so that the order of an epoch does not depend on how Spark laid the rows out in files
        self._kept = rows.take(np.argsort(rows.dense[c.IDX], kind="stable"))

    @property
    def in_memory(self) -> bool:
        """Whether the rows are kept in memory."""
        return self._kept is not None

    def batches(self, epoch: int, steps: int) -> Iterator[Rows]:
        """The rows of the shard in the order of an epoch.

        Args:
            epoch: from 0; each has another order.
            steps: number of batches, of nearly equal size; some are empty if there are fewer rows.
        """
        order = np.random.default_rng([self._spec.seed % 2**32, epoch, self._shard])
        if self._kept is None:
            yield from self._streamed(order, epoch, steps)
            return
        index = order.permutation(len(self._kept))
        for part in np.array_split(index, steps):
            yield self._kept.take(part)

    def _streamed(self, order: np.random.Generator, epoch: int, steps: int) -> Iterator[Rows]:
        with self._reader(epoch) as reader:
            shuffled = (part.take(order.permutation(len(part))) for part in _parts(reader))
            yield from cut(shuffled, self.n_rows, steps)

    def _reader(self, epoch: int) -> Reader:
        """Opens the shard, with its row groups in the order of the epoch."""
        spec = self._spec
        # petastorm leaves files to the collector
        warnings.filterwarnings("ignore", category=ResourceWarning, module=r"petastorm\b.*")
        try:
            return open_shard(
                spec.path,
                spec.columns,
                seed=1 + (spec.seed * 1_000_003 + epoch) % (2**32 - 1),
                shard=self._shard,
                shard_count=self._shard_count,
                results_queue_size=spec.results_queue_size,
            )
        except NoDataAvailableError:
            if self._shard_count == 1:
                raise TrainingError(
                    "the feed table has no rows",
                    where=spec.path,
                    expected="a row per user or item",
                    found="no row",
                    hint="check the tables of build_features for the same --ds",
                ) from None
            raise SettingsError(
                "the feed table has fewer row groups than processes that train on it",
                where=spec.path,
                expected=f"at least {self._shard_count} row groups",
                found="fewer",
                hint="lower feed.processes",
            ) from None


def _parts(reader: Reader) -> Iterator[Rows]:
    for group in reader:
        yield decode(group._asdict())
