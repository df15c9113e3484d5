"""Delta and Iceberg tables on a real S3 server on loopback, where nothing is renamed: commits are never lost."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from boto3 import client

from bgmrec.errors import PublishingError
from bgmrec.feed.file_system import file_system
from bgmrec.publish.contracts import RECOMMENDATIONS
from bgmrec.publish.formats.base import Staged, StagedFile, Target
from bgmrec.publish.formats.delta import Delta
from bgmrec.publish.formats.iceberg import Iceberg
from bgmrec.publish.formats.lakehouse import Lakehouse
from bgmrec.publish.formats.table import Conflict, LakeTable
from tests.warehouse.servers import free_port, running

FIRST, SECOND = "2025-01-30", "2025-01-31"
BUCKET = "bgmrec-formats"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
_NUMBERS = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with an empty bucket. It is another process: delta-rs holds Python while it waits."""
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("s3") / "log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (
        pytest.MonkeyPatch.context() as patched,
        running(command, log, lambda: urllib.request.urlopen(f"{url}/moto-api/", timeout=5), seconds=60),
    ):
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true"}.items():
            patched.setenv(name, value)
        client("s3", endpoint_url=url).create_bucket(Bucket=BUCKET)
        yield url


@pytest.fixture(params=["delta", "iceberg"])
def lakehouse(server: str, tmp_path: Path, request: pytest.FixtureRequest) -> Lakehouse:
    connection: Any
    if request.param == "delta":
        connection = Delta({"AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true"})
    else:
        keys = {"s3.endpoint": server, "s3.access-key-id": "test", "s3.secret-access-key": "test"}
        connection = Iceberg({"type": "sql", "uri": f"sqlite:///{tmp_path}/catalogue.db", **keys}, "bgm")
    return Lakehouse(connection)


@pytest.fixture
def target(lakehouse: Lakehouse) -> Target:
    return Target(RECOMMENDATIONS, f"s3://{BUCKET}/{lakehouse.name}-{next(_NUMBERS)}/recommendations/")


def stage(target: Target, run: str) -> Staged:
    """A version of two rows, as Spark writes it."""
    ds, filesystem = run[:10], file_system(target.root)[0]
    rows = pa.table(
        {
            "ds": [ds] * 2,
            "user_id": ["u1"] * 2,
            "position": pa.array([1, 2], pa.int32()),
            "item_id": ["m1", "m2"],
            "score": pa.array([0.5, 0.25], pa.float32()),
            "source": ["warm"] * 2,
            "run_id": [run] * 2,
        }
    )
    path = f"ds={ds}/{run}/part-00000.parquet"
    stored = f"{target.root.removeprefix('s3://')}{path}"
    pq.write_table(rows, stored, filesystem=filesystem)
    file = filesystem.get_file_info(stored)
    return Staged(ds, run, len(rows), (StagedFile(path, file.size, file.mtime_ns // 1_000_000),))


def opened(lakehouse: Lakehouse, target: Target) -> LakeTable:
    table = lakehouse.connection.open(target)
    assert table is not None
    return table


def test_a_date_is_replaced_restored_and_removed(lakehouse: Lakehouse, target: Target) -> None:
    before, after, other = stage(target, f"{FIRST}-001"), stage(target, f"{FIRST}-002"), stage(target, f"{SECOND}-001")
    lakehouse.commit(target, before)
    lakehouse.commit(target, other)
    version = lakehouse.commit(target, after)["version"]
    assert lakehouse.commit(target, after)["version"] == version, "it was committed already"
    assert opened(lakehouse, target).runs() == {FIRST: {f"{FIRST}-002"}, SECOND: {f"{SECOND}-001"}}
    lakehouse.undo(target, after, before)
    assert opened(lakehouse, target).runs() == {FIRST: {f"{FIRST}-001"}, SECOND: {f"{SECOND}-001"}}
    assert opened(lakehouse, target).runs_of(version)[FIRST] == {f"{FIRST}-002"}
    lakehouse.remove(target, [FIRST])
    assert lakehouse.dates(target) == [SECOND]


def test_of_two_writers_of_a_date_one_is_refused(lakehouse: Lakehouse, target: Target) -> None:
    lakehouse.commit(target, stage(target, f"{FIRST}-001"))
    one, two = opened(lakehouse, target), opened(lakehouse, target)
    one.replace([FIRST], stage(target, f"{FIRST}-002"), {})
    with pytest.raises(Conflict):
        two.replace([FIRST], stage(target, f"{FIRST}-003"), {})
    assert opened(lakehouse, target).runs() == {FIRST: {f"{FIRST}-002"}}


def test_a_writer_of_another_date_loses_nothing(
    lakehouse: Lakehouse, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening the table and committing, the other writer commits."""
    lakehouse.commit(target, stage(target, f"{FIRST}-001"))
    real, other = lakehouse.connection.open, stage(target, f"{FIRST}-002")
    states = [opened(lakehouse, target) for _ in range(2)]
    opened(lakehouse, target).replace([FIRST], other, {})
    monkeypatch.setattr(type(lakehouse.connection), "open", lambda _, at: states.pop() if states else real(at))
    lakehouse.commit(target, stage(target, f"{SECOND}-001"))
    assert opened(lakehouse, target).runs() == {FIRST: {f"{FIRST}-002"}, SECOND: {f"{SECOND}-001"}}


def test_a_store_that_refuses_is_explained(server: str) -> None:
    lakehouse = Lakehouse(Delta({"AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true"}))
    with pytest.raises(PublishingError, match="could not be read or changed") as caught:
        lakehouse.commit(Target(RECOMMENDATIONS, "s3://no-such-bucket/recommendations/"), Staged(FIRST, "x", 0, ()))
    assert "NoSuchBucket" in caught.value.found
