"""The feed read through petastorm: the same rows, in the same order, on every set of libraries."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bgmrec.feed.file_system import file_system
from bgmrec.feed.parquet import FeedSpec
from bgmrec.feed.rows import Rows
from bgmrec.storage.arrays import INT, to_cell

PROJECT = Path(__file__).parents[2]
N_ROWS, N_FILES = 6000, 13
COLUMNS = ("idx", "features", "rated_idx", "rated_values", "weight")

# computed with petastorm 0.12.1 on pyarrow 14.0.2 and numpy 1.26.4, by petastorm's own imports; rebuild it with those
GOLDEN = "542381a03f499bd0c01c311d6ead664118a78d05a74007f3dab079743133fd43"


def _table(idx: np.ndarray) -> pa.Table:
    cells = {
        "idx": pa.array(idx, pa.int32()),
        "features": [to_cell(np.array([i, -i, i / 7])) for i in idx],
        "rated_idx": [to_cell(np.arange(i % 5) + i, INT) for i in idx],
        "rated_values": [to_cell(np.full(i % 5, i / 3)) for i in idx],
        "weight": pa.array(idx / 11, pa.float32()),
        "not_read": ["text"] * len(idx),
    }
    return pa.table(cells)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Files as Spark leaves them: row groups of unlike size, one file without rows, and files that hold none."""
    folder = tmp_path_factory.mktemp("feed") / "ds=2025-03-14" / "a feed"
    folder.mkdir(parents=True)
    for number, idx in enumerate(np.array_split(np.random.default_rng(5).permutation(N_ROWS), N_FILES)):
        pq.write_table(_table(idx), folder / f"part-{number:05d}.zstd.parquet", row_group_size=90 + 60 * number)
        (folder / f".part-{number:05d}.zstd.parquet.crc").write_bytes(b"crc")
    pq.write_table(_table(np.arange(0)), folder / "part-00099.zstd.parquet")
    (folder / "_SUCCESS").touch()
    return str(folder)


def _batches(feed: str, seed: int, memory_bytes: int, shard: int, shards: int, epoch: int) -> list[Rows]:
    return list(FeedSpec(feed, COLUMNS, seed, memory_bytes).open(shard, shards).batches(epoch, 7))


def _add(digest: hashlib._Hash, rows: Rows) -> None:
    digest.update(str(len(rows)).encode())
    for name in sorted(rows.dense):
        digest.update(rows.dense[name].tobytes())
    for name in sorted(rows.ragged):
        digest.update(rows.ragged[name].values.tobytes() + rows.ragged[name].lengths().tobytes())


def test_rows_order_and_content_are_those_of_the_first_set_of_libraries(feed: str) -> None:
    digest = hashlib.sha256()
    for memory_bytes, seed, shards, epoch in product((2**30, 0), (0, 7), (1, 3), (0, 1)):
        read = []
        for shard in range(shards):
            for rows in _batches(feed, seed, memory_bytes, shard, shards, epoch):
                _add(digest, rows)
                read += rows.dense["idx"].tolist()
        assert sorted(read) == list(range(N_ROWS))
    assert digest.hexdigest() == GOLDEN


def test_only_petastorm_sees_the_old_names(feed: str) -> None:
    script = (
        "import sys, numpy, pyarrow, pyarrow.parquet\n"
        "def names():\n"
        "    modules = (numpy, pyarrow, pyarrow.parquet)\n"
        "    return [{k for k, v in vars(m).items() if not isinstance(v, type(sys))} for m in modules]\n"
        "before = names()\n"
        "import bgmrec.feed.parquet\n"
        "assert names() == before\n"
        "for name in ('distutils', 'distutils.version', 'pyarrow.filesystem', 'pyarrow.hdfs'):\n"
        "    assert name not in sys.modules or sys.modules[name].__spec__, name\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=PROJECT)


@pytest.mark.parametrize(
    ("path", "kind", "folder"),
    [
        ("/data/feed 1%20#2?", "local", "/data/feed 1%20#2?"),
        ("/data/a:b", "local", "/data/a:b"),
        ("file:/data/feed 1%20#2?", "local", "/data/feed 1%20#2?"),
        ("file:///data/feed", "local", "/data/feed"),
        ("s3a://bucket/feed 1%20#2?", "s3", "bucket/feed 1%20#2?"),
        ("s3://bucket/feed", "s3", "bucket/feed"),
        ("gs://bucket/ds=1/feed", "gcs", "bucket/ds=1/feed"),
        ("abfss://container@account.dfs.core.windows.net/feed", "abfs", "container/feed"),
    ],
)
def test_paths_of_spark_find_the_file_system_of_pyarrow(
    monkeypatch: pytest.MonkeyPatch, path: str, kind: str, folder: str
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    try:
        found, inside = file_system(path)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        pytest.skip(f"this pyarrow does not have the file system: {error}")
    assert (found.type_name, inside) == (kind, folder)
