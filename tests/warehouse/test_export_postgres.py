"""The export to a real PostgreSQL server: what readers see before, during and after it, and after a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyspark.sql import DataFrame, SparkSession

from bgmrec.config import load_settings
from bgmrec.errors import EXIT_PUBLISHING, EXIT_SETTINGS, PublishingError, SettingsError
from bgmrec.publish.contracts import RECOMMENDATIONS
from bgmrec.publish.exporters.postgres import Postgres, _CopyTask
from bgmrec.runtime.secrets import filled
from tests.conformance.exporters import ExporterTests, Lists, Read
from tests.e2e.nights import run_job
from tests.warehouse.servers import PASSWORD, VARIABLE, postgres
from tests.warehouse.versions import counts, polling, publish, run_id, tables

SCHEMA = "serving"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patched, postgres() as url:
        patched.setenv(VARIABLE, PASSWORD)
        yield url


@pytest.fixture
def store(address: str) -> Postgres:
    text, secrets = filled(address, "here")
    with psycopg.connect(text, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    return Postgres(text, secrets, SCHEMA, (), connections=2, lock_seconds=30.0)


def query_rows(store: Postgres, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(store.address) as connection:
        return connection.execute(query.encode(), values).fetchall()


def visible(store: Postgres) -> tuple[set[str], int, set[str], int]:
    """(runs, rows) of both views, read in one transaction."""
    with psycopg.connect(store.address) as connection:
        lists, similar = (
            connection.execute(f"SELECT run_id FROM {SCHEMA}.{table}".encode()).fetchall()
            for table in ("recommendations", "similar_items")
        )
    return {row[0] for row in lists}, len(lists), {row[0] for row in similar}, len(similar)


def whole(number: int, users: int) -> tuple[set[str], int, set[str], int]:
    return {run_id(number)}, 2 * users, {run_id(number)}, users


def versions(store: Postgres) -> list[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1"
    return [row[0] for row in query_rows(store, query, SCHEMA)]


class TestPostgres(ExporterTests):
    """A reader selects from the view."""

    @pytest.fixture
    def store(self, store: Postgres) -> Postgres:
        return store

    @pytest.fixture
    def read(self, store: Postgres) -> Read:
        query = f"SELECT user_id, item_id, score, run_id FROM {SCHEMA}.recommendations ORDER BY user_id, position"

        def lists(users: list[str]) -> tuple[str | None, Lists]:
            rows = query_rows(store, query)
            runs, found = {row[3] for row in rows}, Lists()
            for user, item, score, _ in rows:
                if user in users:
                    found.setdefault(user, []).append((item, score))
            assert len(runs) == 1
            return runs.pop(), found

        return lists


def test_a_version_is_shown_once_it_is_whole_and_the_one_before_goes(spark: SparkSession, store: Postgres) -> None:
    assert store.export(run_id(1), tables(spark, run_id(1), 5), counts(5))
    assert visible(store) == whole(1, 5)
    (first,) = query_rows(store, f"SELECT * FROM {SCHEMA}.recommendations WHERE user_id = 'u3' AND position = 1")
    assert first == ("2025-01-31", "u3", 1, "m1", pytest.approx(1 / 3), "warm", run_id(1))
    query = "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = to_regclass(%s)"
    comments = dict(query_rows(store, f"{query} AND attnum > 0", f"{SCHEMA}.recommendations"))
    assert comments == {field.name: field.metadata["comment"] for field in RECOMMENDATIONS.schema}
    assert not store.export(run_id(1), tables(spark, run_id(1), 5), counts(5)), "nothing to do"
    assert store.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
    assert visible(store) == whole(2, 3)
    assert versions(store) == [f"{table}__2025_01_31_002" for table in sorted(counts(3))]
    query = "SELECT indexdef FROM pg_indexes WHERE schemaname = %s AND tablename LIKE 'recommendations%%'"
    ((index,),) = query_rows(store, query, SCHEMA)
    assert index.replace('"', "").endswith(f"({', '.join(RECOMMENDATIONS.keys)})") and "UNIQUE" in index


def test_a_reader_that_polls_both_views_sees_whole_versions_only(spark: SparkSession, store: Postgres) -> None:
    store.export(run_id(1), tables(spark, run_id(1), 41), counts(41))
    with polling(lambda: visible(store)) as seen:
        for number in (2, 3, 4):
            users = 40 + number
            store.export(run_id(number), tables(spark, run_id(number), users), counts(users))
    assert {tuple(map(str, one)) for one in seen} <= {tuple(map(str, whole(n, 40 + n))) for n in (1, 2, 3, 4)}
    assert len(seen) > 20 and seen[0] == whole(1, 41)


def test_a_reader_of_the_views_in_another_order_causes_no_deadlock(spark: SparkSession, store: Postgres) -> None:
    """It locks the last view and then reads the first one while the promotion waits for both."""
    store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    real, holds = Postgres._try_promote, threading.Event()
    tries = []

    def counted(self: Postgres, *arguments: Any) -> None:
        tries.append(arguments)
        holds.set()
        real(self, *arguments)

    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(store.address) as reader,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr(Postgres, "_try_promote", counted)
        reader.execute(f"SELECT run_id FROM {SCHEMA}.similar_items".encode()).fetchall()
        export = pool.submit(store.export, run_id(2), tables(spark, run_id(2), 3), counts(3))
        assert holds.wait(120)
        for _ in range(4):  # longer than the server waits before it looks for deadlocks
            time.sleep(0.5)
            rows = reader.execute(f"SELECT run_id FROM {SCHEMA}.recommendations".encode()).fetchall()
            assert {row[0] for row in rows} == {run_id(1)}
        reader.commit()
        assert export.result(120)
    assert len(tries) > 1 and visible(store) == whole(2, 3)


def test_views_keep_their_grants_and_what_is_built_on_them(spark: SparkSession, store: Postgres) -> None:
    with psycopg.connect(store.address, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    granting = replace(store, grant_to=["reader"])
    granting.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    with psycopg.connect(store.address, autocommit=True) as connection:
        connection.execute(f"CREATE VIEW {SCHEMA}.best AS SELECT * FROM {SCHEMA}.recommendations WHERE position = 1")
    store.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
    assert query_rows(store, f"SELECT count(*) FROM {SCHEMA}.best") == [(3,)]
    reader = replace(store, address=store.address.replace("user=bgmrec", "user=reader"))
    assert visible(reader) == whole(2, 3)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query_rows(reader, f"SELECT * FROM {SCHEMA}.recommendations__2025_01_31_002")


def test_lost_rows_and_half_copies_are_never_visible(spark: SparkSession, store: Postgres) -> None:
    store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    with pytest.raises(PublishingError, match="another number of rows of recommendations") as caught:
        store.export(run_id(2), tables(spark, run_id(2), 3), counts(4))
    assert (caught.value.expected, caught.value.found) == ("8", "6")
    assert visible(store) == whole(1, 2)
    assert any(name.endswith("_parts") for name in versions(store)), "as an interrupted export leaves it"
    store.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
    assert visible(store) == whole(2, 3)
    assert all(name.endswith("__2025_01_31_002") for name in versions(store))


def test_a_task_that_is_tried_again_copies_nothing_twice(store: Postgres) -> None:
    with psycopg.connect(store.address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        connection.execute(f"CREATE TABLE {SCHEMA}.t (a text)")
        connection.execute(f"CREATE TABLE {SCHEMA}.p (part integer PRIMARY KEY)")
    task = _CopyTask(store.address, f"{SCHEMA}.t", f"{SCHEMA}.p")
    with pytest.raises(ZeroDivisionError):
        list(task.copy(0, ((str(1 / n),) for n in (1, 0))))
    assert query_rows(store, f"SELECT count(*) FROM {SCHEMA}.t") == [(0,)]
    assert list(task.copy(0, [("x",)])) == [0]
    assert list(task.copy(0, [("x",)])) == []
    assert query_rows(store, f"SELECT a FROM {SCHEMA}.t") == [("x",)]


def test_an_id_that_no_text_column_can_hold_is_a_clear_error(spark: SparkSession, store: Postgres) -> None:
    store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    broken = {name: df.replace("u1", "u\0") for name, df in tables(spark, run_id(2), 2).items()}
    with pytest.raises(Exception, match=r"PublishingError: PostgreSQL refused rows[\s\S]*NUL"):
        store.export(run_id(2), broken, counts(2))
    assert visible(store) == whole(1, 2)


def test_an_export_gives_up_on_a_query_that_does_not_end(spark: SparkSession, store: Postgres) -> None:
    store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    hasty = replace(store, lock_seconds=0.3)
    with psycopg.connect(store.address) as reader:
        assert len(reader.execute(f"SELECT 1 FROM {SCHEMA}.recommendations").fetchall()) == 4
        with pytest.raises(PublishingError, match="refused") as caught:
            hasty.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
        assert "lock timeout" in caught.value.found
        assert len(reader.execute(f"SELECT 1 FROM {SCHEMA}.recommendations").fetchall()) == 4
    assert hasty.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
    assert visible(store) == whole(2, 3)


def test_a_second_export_at_the_same_time_is_refused(spark: SparkSession, store: Postgres) -> None:
    with psycopg.connect(store.address, autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock(hashtext('bgmrec.{SCHEMA}'))")
        with pytest.raises(PublishingError, match="is running"):
            store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))


def test_a_secret_is_in_no_error(spark: SparkSession, store: Postgres) -> None:
    wrong = replace(store, address=store.address.replace(PASSWORD, "wr0ng"), secrets=("wr0ng", "bgmrec"))
    with pytest.raises(PublishingError) as caught:
        wrong.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    assert "wr0ng" not in str(caught.value) and 'for user "***"' in caught.value.found


@pytest.mark.parametrize(
    "plain", ["host=db password=hunter2", "postgresql://me:hunter2@db/serving", "password = 'hunter2'"]
)
def test_a_password_in_the_settings_is_refused_and_not_repeated(plain: str) -> None:
    with pytest.raises(SettingsError, match=r"export\.postgres\.address") as caught:
        load_settings([], [f"export.postgres.address={plain}"])
    assert "hunter2" not in str(caught.value) and "${NAME}" in caught.value.expected
    assert caught.value.exit_status == EXIT_SETTINGS


def test_the_job_exports_what_latest_names(spark: SparkSession, store: Postgres, address: str, tmp_path: Path) -> None:
    sets = [f"paths.root={tmp_path}", "publish.catalog=none", f"export.postgres.into={SCHEMA}"]
    arguments = [part for item in [*sets, f"export.postgres.address={address}"] for part in ("--set", item)]
    assert run_job("export_postgres", *arguments, check=False).returncode == EXIT_PUBLISHING
    publish(spark, tmp_path, run_id(1), 3)
    publish(spark, tmp_path, run_id(1, "2025-01-01"), 9)  # a backfill
    done = run_job("export_postgres", *arguments)
    assert visible(store) == whole(1, 3)
    assert PASSWORD not in done.stderr + done.stdout


def test_readers_do_not_wait_while_a_version_is_copied(spark: SparkSession, store: Postgres) -> None:
    """The copy takes no lock that a reader needs: here the promotion waits until the reader has read."""
    store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    read = threading.Event()
    real = Postgres._promote

    def after_the_reader(self: Postgres, *arguments: Any) -> None:
        assert visible(store) == whole(1, 2)
        read.set()
        real(self, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Postgres, "_promote", after_the_reader)
        store.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
    assert read.is_set() and visible(store) == whole(2, 3)


def test_the_view_of_a_table_that_is_no_longer_published_is_dropped_with_the_promotion(
    spark: SparkSession, store: Postgres
) -> None:
    store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    assert store.export(run_id(2), without_reasons(spark, 2, 3), counts(3))
    assert visible(store) == whole(2, 3)
    views = query_rows(store, "SELECT viewname FROM pg_views WHERE schemaname = %s ORDER BY 1", SCHEMA)
    assert views == [("recommendations",), ("similar_items",)]
    assert versions(store) == ["recommendations__2025_01_31_002", "similar_items__2025_01_31_002"]
    assert store.export(run_id(3), tables(spark, run_id(3), 2), counts(2)), "and it can come back"
    assert query_rows(store, f"SELECT count(*) FROM {SCHEMA}.recommendation_reasons") == [(4,)]


def without_reasons(spark: SparkSession, number: int, users: int) -> dict[str, DataFrame]:
    """A version after `recommendation_reasons` was removed from publish.tables."""
    return {name: df for name, df in tables(spark, run_id(number), users).items() if name != "recommendation_reasons"}


def test_a_view_of_the_readers_on_a_dropped_view_refuses_the_export(spark: SparkSession, store: Postgres) -> None:
    store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    with psycopg.connect(store.address, autocommit=True) as connection:
        query = f"CREATE VIEW {SCHEMA}.mine AS SELECT * FROM {SCHEMA}.recommendation_reasons"
        connection.execute(query.encode())
    with pytest.raises(PublishingError, match="readers still see the previous version") as caught:
        store.export(run_id(2), without_reasons(spark, 2, 3), counts(3))
    assert "view serving.mine depends on view serving.recommendation_reasons" in caught.value.found
    assert visible(store) == whole(1, 2)


def test_a_view_that_is_not_of_the_export_is_left_alone(spark: SparkSession, store: Postgres) -> None:
    with psycopg.connect(store.address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}".encode())
        connection.execute(f"CREATE VIEW {SCHEMA}.recommendation_reasons AS SELECT 1 AS one".encode())
    store.export(run_id(1), without_reasons(spark, 1, 2), counts(2))
    assert query_rows(store, f"SELECT one FROM {SCHEMA}.recommendation_reasons") == [(1,)]


def test_an_old_version_that_cannot_be_dropped_does_not_fail_the_export(
    spark: SparkSession, store: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    with psycopg.connect(store.address, autocommit=True) as connection:
        query = f"CREATE VIEW {SCHEMA}.mine AS SELECT * FROM {SCHEMA}.recommendations__2025_01_31_001"
        connection.execute(query.encode())
    with caplog.at_level("WARNING", "bgmrec"):
        assert store.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
    assert visible(store) == whole(2, 3)
    (record,) = caplog.records
    assert "readers see it, but recommendations__2025_01_31_001 could not be dropped" in record.getMessage()
    with psycopg.connect(store.address, autocommit=True) as connection:
        connection.execute(f"DROP VIEW {SCHEMA}.mine".encode())
    assert not store.export(run_id(2), tables(spark, run_id(2), 3), counts(3)), "nothing to copy"
    assert all(name.endswith("__2025_01_31_002") for name in versions(store)), "but to drop"


@pytest.mark.parametrize("after", ["_show", "_promote"])
def test_a_connection_that_breaks_claims_nothing_about_what_readers_see(
    spark: SparkSession, store: Postgres, after: str, caplog: pytest.LogCaptureFixture
) -> None:
    """While the views are changed nobody knows which version they show; afterwards they show the new one."""
    store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
    real = getattr(Postgres, after)

    def then_broken(self: Postgres, connection: psycopg.Connection, *arguments: Any) -> None:
        real(self, connection, *arguments)
        query_rows(store, "SELECT pg_terminate_backend(%s)", connection.info.backend_pid)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Postgres, after, then_broken)
        if after == "_show":
            with pytest.raises(PublishingError, match="or the previous version, never a mix"):
                store.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
            assert visible(store) == whole(1, 2)
        else:
            with caplog.at_level("WARNING", "bgmrec"):
                assert store.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
            assert "the version is exported and readers see it" in caplog.text
            assert visible(store) == whole(2, 3)
    store.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
    assert visible(store) == whole(2, 3)
    assert all(name.endswith("__2025_01_31_002") for name in versions(store))
