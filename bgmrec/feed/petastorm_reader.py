"""petastorm 0.12.1 over today's pyarrow and numpy: the names that these dropped, for petastorm's modules alone.

petastorm reads by pyarrow's legacy Parquet API, which pyarrow 15 removed, and by type names that numpy 2 removed. Its
modules get names of their own in place of `pq` and `np`; pyarrow, numpy and other users of them see no change. What
petastorm imports and never calls here lies in `sys.modules` only while petastorm is imported.

Nothing asks for versions: old libraries are read by the same code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileSystem

from bgmrec.feed.file_system import file_system

_HIDDEN = ("_", ".")  # _SUCCESS, .part-00000.parquet.crc

# of file systems that petastorm opens by itself, where none is given
_UNUSED_IMPORTS: dict[str, dict[str, Any]] = {
    "distutils": {},
    "distutils.version": {"LooseVersion": None},
    "pyarrow.filesystem": {"LocalFileSystem": type("LocalFileSystem", (), {})},
    "pyarrow.hdfs": {"HadoopFileSystem": type("HadoopFileSystem", (), {})},
}


@contextmanager
def _importable(modules: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Inside, these modules can be imported; those that are loaded already are left as they are."""
    added = [name for name in modules if name not in sys.modules]
    for name in added:
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(modules[name])
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


with _importable(_UNUSED_IMPORTS):
    from petastorm import arrow_reader_worker, unischema
    from petastorm import reader as petastorm_reader
    from petastorm.arrow_reader_worker import ArrowReaderWorker
    from petastorm.errors import NoDataAvailableError
    from petastorm.etl import dataset_metadata
    from petastorm.reader import Reader
    from petastorm.workers_pool.thread_pool import ThreadPool

__all__ = ["NoDataAvailableError", "Reader", "count_rows", "open_shard"]


class _RowGroup:
    """A row group of a file, or the whole file: what petastorm uses of the legacy `ParquetDatasetPiece`."""

    def __init__(
        self, path: str, open_file_func: Callable[[str], Any], row_group: int | None = None, partition_keys: Any = ()
    ):
        self.path, self.row_group, self.partition_keys = path, row_group, partition_keys
        self._open = open_file_func

    def get_metadata(self) -> pq.FileMetaData:
        with self._open(self.path) as file:
            return pq.read_metadata(file)

    def read(self, columns: Collection[str], partitions: None = None) -> pa.Table:
        with self._open(self.path) as file:
            return pq.ParquetFile(file).read_row_group(self.row_group, columns=sorted(columns))


class _Folder:
    """The Parquet files of a folder by name: what petastorm uses of the legacy `ParquetDataset`.

    A feed table has no partitions and no summary files.
    """

    metadata = common_metadata = partitions = None

    def __init__(self, path: str, filesystem: FileSystem, **_: Any):
        self.paths = path
        self.fs = SimpleNamespace(open=filesystem.open_input_file)
        files = [info for info in filesystem.get_file_info(FileSelector(path)) if info.is_file]
        names = sorted(info.path for info in files if not info.base_name.startswith(_HIDDEN))
        self.pieces = [_RowGroup(name, self.fs.open) for name in names]


class _Overlay(ModuleType):
    """A module with some names of its own; all others are those of another module."""

    def __init__(self, module: ModuleType, **names: Any):
        super().__init__(module.__name__)
        self._module = module
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


for _module in (petastorm_reader, arrow_reader_worker, dataset_metadata):
    _module.pq = _Overlay(pq, ParquetDataset=_Folder, ParquetDatasetPiece=_RowGroup)
for _module in (arrow_reader_worker, unischema):
    _module.np = _Overlay(np, unicode_=np.str_, string_=np.bytes_)


def open_shard(
    path: str, columns: Collection[str], *, seed: int, shard: int, shard_count: int, results_queue_size: int
) -> Reader:
    """A reader of one shard of a folder of Parquet files, with its row groups in an order drawn by the seed.

    One worker thread decodes ahead and keeps the order; with several it would depend on chance.

    Args:
        path: of the folder, as Spark writes it.
        columns: to be read.
        seed: above 0; petastorm takes 0 for no seed.
        shard: from 0; its row groups are those whose number modulo `shard_count` is `shard`.
        shard_count: number of shards.
        results_queue_size: row groups decoded ahead.

    Raises:
        NoDataAvailableError: there are fewer row groups than shards.
    """
    filesystem, folder = file_system(path)
    return Reader(
        filesystem,
        folder,
        schema_fields=[f"^{name}$" for name in columns],
        worker_class=ArrowReaderWorker,
        reader_pool=ThreadPool(1, results_queue_size),
        is_batched_reader=True,
        shuffle_row_groups=True,
        seed=seed,
        cur_shard=shard,
        shard_count=shard_count,
    )


def count_rows(reader: Reader, shard: int, shard_count: int) -> int:
    """Number of rows in a shard, from the footers of the files.

    Args:
        reader: of the folder.
        shard: from 0.
        shard_count: number of shards.
    """
    groups = dataset_metadata.load_row_groups(reader.dataset)[shard::shard_count]
    return sum(group.get_metadata().row_group(group.row_group).num_rows for group in groups)
