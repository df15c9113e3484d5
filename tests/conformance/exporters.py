"""What every exporter must do. A test class for a new store inherits ExporterTests and fills in two fixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from bgmrec.errors import PublishingError
from tests.warehouse.servers import PASSWORD
from tests.warehouse.versions import HOSTILE, counts, polling, run_id, tables

Lists = dict[str, list[tuple[str, float]]]  # user id → (item id, score), the best first
Read = Callable[[list[str]], tuple[str | None, Lists]]  # user ids → the version that readers see, and its lists
LIST: Any = [("m1", pytest.approx(1 / 3)), ("m2", pytest.approx(1 / 4))]


def users_of(number: int) -> list[str]:
    """The ids of the users of `tables(spark, run, number)`."""
    return [f"u{n}" for n in range(number)]


class ExporterTests:
    """The fixture `store` is an exporter with an empty real server, `read` reads as its readers do."""

    @pytest.fixture
    def store(self) -> Any:
        raise AssertionError("a test class of an exporter defines the fixture store")

    @pytest.fixture
    def read(self, store: Any) -> Read:
        raise AssertionError("a test class of an exporter defines the fixture read")

    def test_every_user_has_the_list_of_the_exported_version(self, spark: SparkSession, store: Any, read: Read) -> None:
        assert store.export(run_id(1), tables(spark, run_id(1), 20), counts(20))
        assert read([*users_of(20), "nobody"]) == (run_id(1), dict.fromkeys(users_of(20), LIST))

    def test_the_same_version_is_not_copied_again(self, spark: SparkSession, store: Any, read: Read) -> None:
        assert store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
        assert not store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
        assert read(users_of(2)) == (run_id(1), dict.fromkeys(users_of(2), LIST))

    def test_the_last_exported_version_is_visible_also_after_a_rollback(
        self, spark: SparkSession, store: Any, read: Read
    ) -> None:
        for number, users in ((1, 5), (2, 3), (1, 5)):
            assert store.export(run_id(number), tables(spark, run_id(number), users), counts(users))
            assert read(users_of(9)) == (run_id(number), dict.fromkeys(users_of(users), LIST))

    def test_a_reader_that_polls_sees_whole_versions_only(self, spark: SparkSession, store: Any, read: Read) -> None:
        users = {number: 40 + number for number in (1, 2, 3, 4)}
        store.export(run_id(1), tables(spark, run_id(1), users[1]), counts(users[1]))
        with polling(lambda: read(users_of(50))) as seen:
            for number in (2, 3, 4):
                store.export(run_id(number), tables(spark, run_id(number), users[number]), counts(users[number]))
        assert {(run, len(lists)) for run, lists in seen} <= {(run_id(n), users[n]) for n in users}
        assert len(seen) > 20 and seen[0][0] == run_id(1)

    def test_a_version_that_lost_rows_is_refused_and_the_one_before_stays(
        self, spark: SparkSession, store: Any, read: Read
    ) -> None:
        store.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
        with pytest.raises(PublishingError, match="another number of rows of recommendations") as caught:
            store.export(run_id(2), tables(spark, run_id(2), 3), counts(4))
        assert (caught.value.expected, caught.value.found) == ("8", "6")
        assert read(users_of(3)) == (run_id(1), dict.fromkeys(users_of(2), LIST))
        assert store.export(run_id(2), tables(spark, run_id(2), 3), counts(3))
        assert read(users_of(3)) == (run_id(2), dict.fromkeys(users_of(3), LIST))

    def test_hostile_ids_come_out_as_they_went_in(self, spark: SparkSession, store: Any, read: Read) -> None:
        store.export(run_id(1), tables(spark, run_id(1), 1, hostile=True), counts(1 + len(HOSTILE)))
        assert read(["u0", *HOSTILE]) == (run_id(1), dict.fromkeys(["u0", *HOSTILE], LIST))

    def test_a_wrong_password_is_refused_and_not_repeated(self, spark: SparkSession, store: Any) -> None:
        wrong = replace(store, address=store.address.replace(PASSWORD, "wr0ng"), secrets=("wr0ng",))
        with pytest.raises(PublishingError, match="refused") as caught:
            wrong.export(run_id(1), tables(spark, run_id(1), 2), counts(2))
        assert "wr0ng" not in str(caught.value)
