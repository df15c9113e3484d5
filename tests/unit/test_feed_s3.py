"""The feed from a real S3 server on loopback: what pyarrow reads there is what it reads from the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FileSelector

from bgmrec.errors import TrainingError
from bgmrec.feed.file_system import file_system
from bgmrec.feed.parquet import FeedSpec
from bgmrec.storage.arrays import to_cell

N_ROWS = 500
BUCKET = "bgmrec-test"
FOLDER = "work/ds=2025-03-14/a feed, 100%"


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    """A server with an empty bucket; pyarrow finds it by the variables of AWS."""
    moto = pytest.importorskip("moto.server", reason="the package moto[server] is not installed")
    s3 = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    s3.start()
    host, port = s3.get_host_and_port()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patched.setenv("AWS_REGION", "us-east-1")
        patched.setenv("AWS_ACCESS_KEY_ID", "test")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
        from boto3 import client

        client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
        yield
    s3.stop()


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("feed")
    for number, idx in enumerate(np.array_split(np.random.default_rng(5).permutation(N_ROWS), 3)):
        cells = [to_cell(np.array([i, i / 7])) for i in idx]
        table = pa.table({"idx": pa.array(idx, pa.int32()), "features": cells})
        pq.write_table(table, folder / f"part-{number:05d}.parquet", row_group_size=60)
    (folder / "_SUCCESS").touch()
    return folder


@pytest.fixture
def stored(server: None, feed: Path) -> str:
    """The same files as objects; their address as Spark writes it."""
    address = f"s3a://{BUCKET}/{FOLDER}"
    filesystem, inside = file_system(address)
    for file in feed.iterdir():
        with filesystem.open_output_stream(f"{inside}/{file.name}") as stream:
            stream.write(file.read_bytes())
    assert len(filesystem.get_file_info(FileSelector(inside))) == 4
    return address


@pytest.mark.parametrize("memory_bytes", [2**30, 0])
def test_the_rows_are_those_of_the_disk(stored: str, feed: Path, memory_bytes: int) -> None:
    read = []
    for path in (str(feed), stored):
        shards = [FeedSpec(path, ("idx", "features"), 7, memory_bytes).open(shard, 2) for shard in range(2)]
        batches = [rows for shard in shards for rows in shard.batches(1, 4)]
        read.append([(rows.dense["idx"].tolist(), rows.dense["features"].tolist()) for rows in batches])
    assert read[0] == read[1]
    assert sorted(idx for batch, _ in read[1] for idx in batch) == list(range(N_ROWS))


def test_an_empty_folder_is_named(server: None) -> None:
    filesystem, inside = file_system(f"s3a://{BUCKET}/empty/feed")
    table = pa.table({"idx": pa.array([], pa.int32()), "features": pa.array([], pa.binary())})
    with filesystem.open_output_stream(f"{inside}/part-00000.parquet") as stream:
        pq.write_table(table, stream)
    with pytest.raises(TrainingError, match="no rows"):
        FeedSpec(f"s3a://{BUCKET}/empty/feed", ("idx", "features"), 1).open(0, 1)
