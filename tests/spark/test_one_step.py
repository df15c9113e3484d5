"""Files that appear in one step, on every kind of file system: as a whole or not at all, and created once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from bgmrec.errors import SettingsError
from bgmrec.storage import files, one_step
from bgmrec.storage.guarantees import STATED
from bgmrec.storage.tables import Tables
from tests.mounts import mounted
from tests.spark.object_store import Killed, killed_at, object_store

CONTENT = bytes(range(256)) * 10
KINDS = ["local", "mounted", "as hdfs", "object store"]


@pytest.fixture
def hadoop(spark: SparkSession) -> Any:
    context: Any = spark.sparkContext
    return context._jsc.hadoopConfiguration()


@pytest.fixture(params=KINDS)
def root(request: pytest.FixtureRequest, spark: SparkSession, hadoop: Any, tmp_path: Path) -> Iterator[str]:
    """`as hdfs` goes the way of HDFS by Hadoop's FileContext over the local disk; whether HDFS keeps its own promise
    cannot be seen there."""
    if request.param == "object store":
        with object_store(spark, tmp_path, conditional=True) as address:
            yield address
    elif request.param == "mounted":
        yield mounted(spark, tmp_path)
    elif request.param == "as hdfs":
        hadoop.set(f"{STATED}file", "hdfs")
        yield str(tmp_path)
        hadoop.unset(f"{STATED}file")
    else:
        yield str(tmp_path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".crc"))


def test_a_file_is_replaced_and_leaves_nothing_beside_it(spark: SparkSession, root: str, tmp_path: Path) -> None:
    for content in (CONTENT, b"", b"another"):
        one_step.write_bytes(spark, f"{root}/a/new folder/state.json", content)
        assert files.read_bytes(spark, f"{root}/a/new folder/state.json") == content
    assert names(tmp_path) == ["state.json"]


def test_a_file_is_created_once(spark: SparkSession, root: str, tmp_path: Path) -> None:
    path = f"{root}/locks/000001.json"
    assert one_step.create(spark, path, b"mine")
    assert not one_step.create(spark, path, b"of another")
    assert files.read_bytes(spark, path) == b"mine"
    assert names(tmp_path) == ["000001.json"]


@pytest.mark.parametrize("root", ["local", "mounted", "object store"], indirect=True)
def test_of_many_that_create_it_one_does(spark: SparkSession, root: str) -> None:
    ready, created = threading.Barrier(8), []

    def try_it(number: int) -> None:
        ready.wait()
        created.append((one_step.create(spark, f"{root}/000001.json", b"%d" % number), number))

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [number for is_mine, number in created if is_mine]
    assert len(created) == 8 and files.read_bytes(spark, f"{root}/000001.json") == b"%d" % winner


def test_a_look_and_a_later_write_would_let_two_create_it(spark: SparkSession, tmp_path: Path) -> None:
    """What the lock would rest on without conditional writes: the double does lose what a store loses."""
    with object_store(spark, tmp_path, conditional=False) as address:
        fs, path = files.behind_mounts(spark, f"{address}/000001.json")
        streams = [fs.create(path, False) for _ in range(2)]
        for stream in streams:
            stream.write(b"mine")
            stream.close()  # neither is refused


def test_a_lost_answer_does_not_lose_the_file(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client repeats a request whose answer was lost; the store refuses the repetition because of the first one."""
    with object_store(spark, tmp_path, conditional=True) as address:
        written = one_step._write

        def twice(stream: Any, content: bytes) -> None:
            written(stream, content)
            stream.close()

        monkeypatch.setattr(one_step, "_write", twice)
        assert one_step.create(spark, f"{address}/000001.json", b"mine")
        assert not one_step.create(spark, f"{address}/000001.json", b"of another")


def test_without_conditional_writes_a_lock_is_refused_and_documents_are_not(
    spark: SparkSession, tmp_path: Path
) -> None:
    with object_store(spark, tmp_path, conditional=False) as address:
        one_step.write_bytes(spark, f"{address}/state.json", CONTENT)
        with pytest.raises(SettingsError, match=r"runtime\.lock"):
            one_step.create(spark, f"{address}/000001.json", b"mine")
    assert names(tmp_path) == ["state.json"]


def test_an_unknown_file_system_is_refused_unless_the_session_states_it(
    spark: SparkSession, hadoop: Any, tmp_path: Path
) -> None:
    with object_store(spark, tmp_path, conditional=False, scheme="shop") as address:
        for write in (lambda: one_step.check(spark, address), lambda: one_step.write_bytes(spark, address, b"")):
            with pytest.raises(SettingsError, match=r"guarantees\.shop"):
                write()
        assert names(tmp_path) == []
        hadoop.set(f"{STATED}shop", "s3a")
        one_step.write_bytes(spark, f"{address}/state.json", CONTENT)
        hadoop.unset(f"{STATED}shop")
    assert names(tmp_path) == ["state.json"]


def test_hadoop_knows_the_builder_and_refuses_the_option_where_it_does_not_apply(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The double stands in for S3A's answer, not for Hadoop's interface: this is the real one, on the local disk."""
    with pytest.raises(PySparkException, match=r"fs\.option\.create\.conditional\.overwrite"):
        one_step._create_conditionally(spark, str(tmp_path / "000001.json"), b"mine")
    assert names(tmp_path) == []


def test_a_kill_while_an_object_is_written_leaves_the_old_one(spark: SparkSession, tmp_path: Path) -> None:
    with object_store(spark, tmp_path, conditional=True) as address:
        one_step.write_bytes(spark, f"{address}/state.json", CONTENT)
    with object_store(spark, tmp_path, conditional=True, step=killed_at(1)) as address:
        with pytest.raises(Killed):
            one_step.write_bytes(spark, f"{address}/state.json", b"new")
        assert files.read_bytes(spark, f"{address}/state.json") == CONTENT


def test_a_kill_while_a_table_is_deleted_leaves_no_complete_table(spark: SparkSession, tmp_path: Path) -> None:
    """Whatever was deleted until then: the mark went first."""
    rows = spark.createDataFrame([("u1", 0)], "user_id string, user_idx int")
    number, ended = 0, False
    while not ended:
        number += 1
        with object_store(spark, tmp_path, conditional=True) as address:
            Tables(spark, address).write(rows, "user_index")
        with object_store(spark, tmp_path, conditional=True, step=killed_at(number)) as address:
            store = Tables(spark, address)
            try:
                store.delete("user_index")
                ended = True
            except Killed:
                has_part = any(path.endswith(".parquet") for path in files.children(spark, store.path("user_index")))
                assert has_part or not store.exists("user_index")
    assert number > 3
