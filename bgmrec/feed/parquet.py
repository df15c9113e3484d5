"""Feed tables through petastorm: one shard of a Parquet folder as batches of arrays."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlparse

import numpy as np
from petastorm import make_batch_reader
from petastorm.errors import NoDataAvailableError
from petastorm.etl.dataset_metadata import load_row_groups
from petastorm.reader import Reader

from bgmrec.errors import SettingsError, TrainingError
from bgmrec.feed.rows import Rows, concatenate, cut, decode
from bgmrec.storage import columns as c


@dataclass(frozen=True)
class FeedSpec:
    """Where a feed table lies and how it is read; small and picklable, so that it travels to every process.

    Args:
        path: the table's folder, with or without a scheme.
        columns: the columns to read; `idx` must be one of them.
        seed: of the row order.
        memory_bytes: a shard whose decoded rows stay below this is read once and kept; a larger one is read
            again every epoch.
        results_queue_size: row groups that petastorm decodes ahead.
    """

    path: str
    columns: tuple[str, ...]
    seed: int
    memory_bytes: int = 2**30
    results_queue_size: int = 4

    def open(self, shard: int, shard_count: int) -> ParquetFeed:
        return ParquetFeed(self, shard, shard_count)


class ParquetFeed:
    """One shard of a feed table: the row groups whose number modulo `shard_count` is `shard`.

    The order of rows depends on the seed, the epoch and the shard, and on nothing else.

    Raises:
        SettingsError: the table has fewer row groups than there are shards.
        TrainingError: the table or the shard is empty.
    """

    def __init__(self, spec: FeedSpec, shard: int, shard_count: int):
        self._spec, self._shard, self._shard_count = spec, shard, shard_count
        self._kept: Rows | None = None
        parts, nbytes = [], 0
        with self._reader(epoch=0) as reader:
            self.n_rows = _rows_of(reader, shard, shard_count)
            for part in _parts(reader):
                parts.append(part)
                nbytes += part.nbytes
                if nbytes > spec.memory_bytes:
                    return  # too large to keep: every epoch reads it from its files
        if not parts:
            raise TrainingError("a shard of the feed table holds no rows", where=spec.path, found=f"shard {shard}")
        rows = concatenate(parts)
        # sorted, so that the order of an epoch does not depend on how Spark laid the rows out in files
        self._kept = rows.take(np.argsort(rows.dense[c.IDX], kind="stable"))

    @property
    def in_memory(self) -> bool:
        return self._kept is not None

    def batches(self, epoch: int, steps: int) -> Iterator[Rows]:
        """The shard's rows in a new order, in `steps` near-equal batches (some empty where rows are few)."""
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
        """Opens the shard; row groups come in an order of the epoch's own.

        One worker thread: it decodes ahead of the training, and row groups stay in the order that they were
        asked for, which with several workers depends on chance.
        """
        spec = self._spec
        # pyarrow's legacy API warns at every call, and petastorm leaves files to the collector; versions are pinned
        for kind in (FutureWarning, DeprecationWarning, ResourceWarning):
            warnings.filterwarnings("ignore", category=kind, module=r"petastorm\b.*")
        try:
            return make_batch_reader(
                petastorm_url(spec.path),
                schema_fields=[f"^{name}$" for name in spec.columns],
                reader_pool_type="thread",
                workers_count=1,
                results_queue_size=spec.results_queue_size,
                shuffle_row_groups=True,
                seed=1 + (spec.seed * 1_000_003 + epoch) % (2**32 - 1),  # 0 would count as no seed
                cur_shard=self._shard,
                shard_count=self._shard_count,
                hdfs_driver="libhdfs",
            )
        except NoDataAvailableError:
            if self._shard_count == 1:
                raise TrainingError("the feed table holds no rows", where=spec.path) from None
            raise SettingsError(
                "the feed table has fewer row groups than processes that train on it",
                where=spec.path,
                expected=f"at least {self._shard_count} row groups",
                hint="lower feed.processes or feed.row_group_rows",
            ) from None


def _parts(reader: Reader) -> Iterator[Rows]:
    for group in reader:
        yield decode(group._asdict())


def _rows_of(reader: Reader, shard: int, shard_count: int) -> int:
    """Rows of a shard by the files' footers."""
    groups = load_row_groups(reader.dataset)[shard::shard_count]
    return sum(group.get_metadata().row_group(group.row_group).num_rows for group in groups)


def petastorm_url(path: str) -> str:
    """The path as a URL that petastorm takes: it wants a scheme, `file://` with three slashes, and s3, not s3a."""
    url = urlparse(path)
    if url.scheme in ("", "file"):
        return f"file://{url.path}"
    return path.replace(f"{url.scheme}:", "s3:", 1) if url.scheme in ("s3a", "s3n") else path
