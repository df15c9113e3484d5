"""The export to a real Redis server: what readers get before, during and after it, and after a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pyspark.sql import SparkSession

from bgmrec.config import load_settings
from bgmrec.errors import PublishingError, SettingsError
from bgmrec.publish.exporters.redis import Redis
from bgmrec.runtime.secrets import filled
from tests.conformance.exporters import ExporterTests, Lists, Read
from tests.e2e.nights import run_job
from tests.warehouse.servers import PASSWORD, VARIABLE, redis_server
from tests.warehouse.versions import counts, publish, run_id, tables


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patched, redis_server(tmp_path_factory.mktemp("redis")) as url:
        patched.setenv(VARIABLE, PASSWORD)
        yield url


@pytest.fixture
def store(address: str) -> Redis:
    text, secrets = filled(address, "here")
    redis.Redis.from_url(text).flushall()
    return Redis(text, secrets, "bgm", connections=2, batch=7, expire_seconds=100)


@pytest.fixture
def client(store: Redis) -> redis.Redis:
    return redis.Redis.from_url(store.address, decode_responses=True)


def read(client: redis.Redis, users: list[str]) -> tuple[str, list[list | None]]:
    """The run and its lists of some users, as a server reads them for one page."""
    run = str(client.get("bgm:current"))
    texts: Any = client.mget([f"bgm:{run}:recommendations:{user}" for user in users])
    return run, [None if text is None else json.loads(text) for text in texts]


class TestRedis(ExporterTests):
    """A reader gets the pointer, then the lists of some users."""

    @pytest.fixture
    def store(self, store: Redis) -> Redis:
        return store

    @pytest.fixture
    def read(self, client: redis.Redis) -> Read:
        def lists(users: list[str]) -> tuple[str | None, Lists]:
            run, found = read(client, users)
            return run, {
                user: [(item, score) for item, score in entries]
                for user, entries in zip(users, found, strict=True)
                if entries is not None
            }

        return lists


def test_a_list_is_one_key_with_the_best_first(spark: SparkSession, store: Redis, client: redis.Redis) -> None:
    assert store.export(run_id(1), tables(spark, run_id(1), 20), counts(20))
    assert read(client, ["u0", "u19", "nobody"]) == (
        run_id(1),
        [[["m1", 0.33333334], ["m2", 0.25]], [["m1", 0.33333334], ["m2", 0.25]], None],
    )
    assert json.loads(client.get(f"bgm:{run_id(1)}:similar_items:u3")) == [["m9", 0.93]]
    reasons = json.loads(client.get(f"bgm:{run_id(1)}:recommendation_reasons:u3"))
    assert reasons == [[1, "rating", "m9", 0.33333334], [2, "rating", "m9", 0.25]]
    assert client.dbsize() == 1 + 3 * 20
    assert not store.export(run_id(1), tables(spark, run_id(1), 20), counts(20)), "nothing to do"


def test_only_older_versions_expire(spark: SparkSession, store: Redis, client: redis.Redis) -> None:
    client.set("someone:else", "1")
    client.set(f"bgm:{run_id(9)}:recommendations:u1", "half of an export that was interrupted")
    for number in (1, 2):
        store.export(run_id(number), tables(spark, run_id(number), 3), counts(3))
    seconds_left = {key: client.ttl(key) for key in client.scan_iter("*")}
    expiring = {key for key, seconds in seconds_left.items() if 0 < seconds <= 100}
    assert expiring == {key for key in seconds_left if run_id(1) in key or run_id(9) in key}
    assert len(expiring) == 3 * 3 + 1 and {seconds_left[key] for key in seconds_left.keys() - expiring} == {-1}
    store.export(run_id(1), tables(spark, run_id(1), 3), counts(3))  # as after a rollback
    assert {client.ttl(key) for key in client.scan_iter(f"bgm:{run_id(1)}:*")} == {-1}


def test_a_password_in_the_settings_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match=r"export\.redis\.address") as plain:
        load_settings([], ["export.redis.address=redis://:hunter2@cache:6379/0"])
    assert "hunter2" not in str(plain.value)


def test_the_job_exports_what_latest_names(
    spark: SparkSession, store: Redis, client: redis.Redis, address: str, tmp_path: Path
) -> None:
    publish(spark, tmp_path, run_id(1), 3)
    publish(spark, tmp_path, run_id(1, "2025-01-01"), 9)  # a backfill
    sets = [f"paths.root={tmp_path}", "publish.catalog=none", "export.redis.prefix=bgm"]
    sets.append(f"export.redis.address={address}")
    done = run_job("export_redis", *(part for item in sets for part in ("--set", item)))
    assert client.get("bgm:current") == run_id(1) and client.dbsize() == 1 + 3 * 3
    assert PASSWORD not in done.stderr + done.stdout


def test_a_failure_after_the_pointer_is_set_does_not_fail_the_export(
    spark: SparkSession, store: Redis, client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))

    def broken(*_: object, **__: object) -> None:
        raise redis.ConnectionError("connection reset")

    with pytest.MonkeyPatch.context() as patched, caplog.at_level("WARNING", "bgmrec"):
        patched.setattr(redis.Redis, "scan_iter", broken)
        assert store.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
    assert client.get("bgm:current") == run_id(2) and "readers get it" in caplog.text
    assert not store.export(run_id(2), tables(spark, run_id(2), 3), counts(3)), "nothing to write"
    assert 0 < client.ttl(f"bgm:{run_id(1)}:recommendations:u0") <= 100


def test_a_connection_that_breaks_while_the_pointer_is_set_claims_nothing_about_what_readers_get(
    spark: SparkSession, store: Redis
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise redis.TimeoutError("no answer")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(redis.Redis, "set", broken)
        with pytest.raises(PublishingError, match="or the previous version, never a mix"):
            store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
