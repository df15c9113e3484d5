"""A lock in a real PostgreSQL: what every lock must do, a killed holder, and a server that does not answer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from bgmrec.errors import EXIT_BUSY, EXIT_STORAGE, BusyError, StorageError
from bgmrec.run.lock import locked
from bgmrec.run.lock_documents import LockDocuments, PostgresDocuments
from bgmrec.runtime.secrets import filled
from tests.conformance.locks import SOON, LockTests
from tests.e2e.nights import LAST_DAY, night_arguments, run_job, small_world
from tests.warehouse.servers import PASSWORD, VARIABLE, free_port, postgres

PROJECT = Path(__file__).resolve().parents[2]
SCHEMA = "ops"
HOLDER = """
import sys, time
from bgmrec.run.lock import locked
from bgmrec.run.lock_documents import PostgresDocuments
with locked(PostgresDocuments(sys.argv[1], (), "ops", "one"), heartbeat=0.1, patience=1.0):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patched, postgres() as url:
        patched.setenv(VARIABLE, PASSWORD)
        yield url


@pytest.fixture
def lock_of(address: str) -> Callable[[str], LockDocuments]:
    text, secrets = filled(address, "here")
    with psycopg.connect(text, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(SCHEMA)))
    return lambda name: PostgresDocuments(text, secrets, SCHEMA, name)


class TestPostgres(LockTests):
    """Rows of a table."""

    @pytest.fixture
    def lock_of(self, lock_of: Callable[[str], LockDocuments]) -> Callable[[str], LockDocuments]:
        return lock_of


@pytest.fixture
def holder(address: str, lock_of: Callable[[str], LockDocuments]) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock `one`."""
    command = [sys.executable, "-c", HOLDER, filled(address, "here")[0]]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_killed_holder_loses_the_lock_at_once(
    holder: subprocess.Popen[str], lock_of: Callable[[str], LockDocuments]
) -> None:
    with pytest.raises(BusyError, match="another run is at work"), locked(lock_of_same(lock_of), **SOON):
        pytest.fail("taken from a living process")
    holder.kill()
    holder.wait()
    began = time.monotonic()
    with locked(lock_of_same(lock_of), heartbeat=60.0, patience=60.0) as mine:
        assert mine.number == 2 and time.monotonic() - began < 30


def lock_of_same(lock_of: Callable[[str], LockDocuments]) -> LockDocuments:
    return lock_of("one")


def test_the_table_is_created_once_by_many_at_once(lock_of: Callable[[str], LockDocuments]) -> None:
    with ThreadPoolExecutor(8) as threads:
        created = list(threads.map(lambda name: lock_of(name).create(1, {}), map(str, range(8))))
    assert created == [True] * 8


def test_locks_of_two_roots_are_two(lock_of: Callable[[str], LockDocuments]) -> None:
    with locked(lock_of("s3a://a/work/_locks/ds=1"), **SOON), locked(lock_of("s3a://b/work/_locks/ds=1"), **SOON):
        pass


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    nowhere = f"host=127.0.0.1 port={free_port()} user=bgmrec password={PASSWORD}"
    with pytest.raises(StorageError, match=r"runtime\.lock_address") as caught:
        PostgresDocuments(nowhere, (PASSWORD,), SCHEMA, "one").newest()
    assert PASSWORD not in str(caught.value)


def test_two_runs_at_once_one_is_refused(address: str, lock_of: Callable[[str], LockDocuments], tmp_path: Path) -> None:
    """A night holds the row of its date, a second one is refused, and without the server none begins."""
    world, root = small_world(tmp_path / "world"), tmp_path / "root"
    sets = ["runtime.lock=postgres", f"runtime.lock_schema={SCHEMA}"]
    arguments = night_arguments(world, root, LAST_DAY, *sets, f"runtime.lock_address={address}")
    with locked(lock_of(f"file:{root}/work/_locks/ds={LAST_DAY}"), **SOON):
        refused = run_job("ingest_ratings", *arguments, check=False)
    assert refused.returncode == EXIT_BUSY and PASSWORD not in refused.stderr
    assert not root.exists() or not list(root.glob("work/ds=*")), "wrote without the lock"
    run_job("ingest_ratings", *arguments)
    assert not list(root.glob("work/_locks/*")), "wrote a lock as a file, too"
    nowhere = address.replace(address.split()[1], f"port={free_port()}")
    assert run_job(
        "ingest_ratings", *arguments, "--set", f"runtime.lock_address={nowhere}", check=False
    ).returncode == (EXIT_STORAGE)
