"""What every raw format must do. A test class for a new format inherits SourceTests and fills in two fixtures."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from bgmrec.config.sources import EntitySettings, RatingsSettings
from bgmrec.errors import InputError, SettingsError
from bgmrec.ingest.accounting import count_states, rejects, summarize
from bgmrec.ingest.pairs import merge_pairs, without_duplicates
from bgmrec.ingest.ratings import map_ratings
from bgmrec.ingest.side_info import count_problems, map_entities, merge_entities
from bgmrec.runtime.pseudonyms import KEY_VARIABLE, pseudonymizer
from bgmrec.runtime.sql_functions import register_functions

DS = date(2024, 3, 2)
KEY = "a key of the tests, long enough"
COLUMNS = ("user", "music", "stars", "at", "note")
NOON = "2024-03-02 12:00:00"

Row = tuple[str | None, ...]  # one text or None per column
Write = Callable[[Path, list[str], list[Row]], None]  # file, names of the columns, rows

# state of the row, or the reason of the reject → row
RATINGS: dict[str, Row] = {
    "kept": ("ana", "m1", "5", NOON, "a, \"b\" and 'c'"),
    "kept 2": ("小明", "m2", "3.5", NOON, "雨の歌 🎵"),
    "kept 3": ("ana", "m2", "1", NOON, None),
    "missing user id": (None, "m1", "5", NOON, None),
    "missing item id": ("bo", None, "5", NOON, None),
    "unknown item": ("bo", "0", "5", NOON, None),
    "rating not a number": ("bo", "m1", "five", NOON, None),
    "rating out of range": ("bo", "m1", "6", NOON, "carlos rated it"),
    "unparsable time": ("carlos", "m1", "5", "yesterday", "not by carlos"),
    "time out of range": ("bo", "m1", "5", "0001-01-01 00:00:00", None),
    "after_window": ("bo", "m1", "5", "2024-03-03 00:00:00", None),
    "filtered": ("bo", "m1", "5", NOON, "test"),
}
REASONS = {name for name in RATINGS if " " in name and not name.startswith("kept")}
ITEM_COLUMNS = ["id", "title", "bpm", "tags", "at", "surplus"]
ITEMS: list[Row] = [
    ("m1", "Rain", "90", "calm, slow", "2024-03-01", None),
    ("m1", "Rain (live)", None, None, "2024-03-02", None),
    ("m2", "Sun", "fast", '["a","b"]', "2024-03-01", "x"),
    (None, "no id", "90", None, "2024-03-01", None),
]


def ids_and_values(ratings: DataFrame) -> set[tuple[Any, ...]]:
    """(user, item, rating, time) of every rating."""
    return {(row.user_id, row.item_id, row.rating, row.rated_at) for row in ratings.collect()}


class SourceTests:
    """The conformance tests: the same rows give the same ids, rejects and counts, whatever the format.

    Fixtures to fill in:
        file_format: `format` of the source.
        write: writes text columns to a file of this format; None is a missing value.
    """

    @pytest.fixture
    def file_format(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def write(self) -> Write:
        raise NotImplementedError

    @pytest.fixture
    def log(self, file_format: str) -> dict[str, Any]:
        """The settings of the rating log."""
        return {
            "name": "log",
            "format": file_format,
            "paths": ["{data}/log*"],
            "user_id": "user",
            "item_id": "music",
            "rating": "stars",
            "rated_at": "to_timestamp(at)",
            "where": "coalesce(note, '') <> 'test'",
        }

    @pytest.fixture
    def ingest(self, spark: SparkSession, tmp_path: Path) -> Callable[[dict[str, Any]], DataFrame]:
        """Maps the log of `tmp_path`."""

        def map_log(source: dict[str, Any]) -> DataFrame:
            settings = RatingsSettings(sources=[source], minimum=1, maximum=5, unknown_items=["0"])
            return map_ratings(spark, settings, data=str(tmp_path), ds=DS).cache()

        return map_log

    def test_ids_and_values(self, ingest, write, log, tmp_path):
        write(tmp_path / "log", list(COLUMNS), list(RATINGS.values()))
        noon = datetime(2024, 3, 2, 12)
        ratings = merge_pairs(without_duplicates(ingest(log)), "last")
        assert ids_and_values(ratings) == {("ana", "m1", 5, noon), ("ana", "m2", 1, noon), ("小明", "m2", 3.5, noon)}

    def test_every_row_is_counted(self, ingest, write, log, tmp_path):
        write(tmp_path / "log", list(COLUMNS), [*RATINGS.values(), RATINGS["kept"], RATINGS["unknown item"]])
        mapped = ingest(log)
        counts = summarize(count_states(mapped, rejects(mapped), ["log"]).collect())
        assert counts.pop("sources") == {"log": {name: counts[name] for name in counts if name in _STATES}}
        assert counts == {
            "rows_in": 14, "kept": 3, "rejected": 7, "filtered": 1, "after_window": 1, "duplicate": 2,
            "reject_reasons": dict.fromkeys(sorted(REASONS), 1),
        }  # fmt: skip

    def test_rejects_have_reason_record_and_file(self, ingest, write, log, tmp_path):
        write(tmp_path / "log", list(COLUMNS), list(RATINGS.values()))
        rows = rejects(ingest(log)).collect()
        assert {row.reason: json.loads(row.record) for row in rows} == {
            reason: {name: text for name, text in zip(COLUMNS, RATINGS[reason], strict=True) if text is not None}
            for reason in REASONS
        }
        assert {row.source for row in rows} == {"log"} and all("/log" in row.source_file for row in rows)

    def test_rows_in_several_files_are_the_same_rows(self, ingest, write, log, tmp_path):
        for number, row in enumerate(RATINGS.values()):
            write(tmp_path / f"log{number:02d}", list(COLUMNS), [row])
        mapped = ingest(log)
        assert mapped.count() == len(RATINGS)
        assert {row.reason for row in rejects(mapped).collect()} == REASONS

    def test_the_order_of_columns_and_surplus_columns_have_no_influence(self, ingest, write, log, tmp_path):
        write(tmp_path / "log-a", list(COLUMNS), [RATINGS["kept"]])
        columns = ["surplus", *reversed(COLUMNS)]
        write(tmp_path / "log-b", columns, [("x", *reversed(RATINGS["kept 2"]))])
        assert {row.user_id for row in ingest(log).collect()} == {"ana", "小明"}

    def test_pseudonyms_replace_ids_and_rejects_are_redacted(self, ingest, write, log, tmp_path, spark, monkeypatch):
        monkeypatch.setenv(KEY_VARIABLE, KEY)
        register_functions(spark)
        write(tmp_path / "log", list(COLUMNS), list(RATINGS.values()))
        mapped = ingest({**log, "user_id": "pseudonym(user)"})
        pseudonym = pseudonymizer(KEY)
        kept = {row.user_id for row in mapped.where("state = 'kept'").collect()}
        assert kept == {pseudonym("ana"), pseudonym("小明")}
        records = {row.reason: json.loads(row.record) for row in rejects(mapped).collect()}
        assert set(records) == REASONS
        assert {record.get("user") for record in records.values()} == {None, "[redacted]"}
        assert records["unparsable time"]["note"] == "[redacted]"  # it holds the id
        assert records["rating out of range"]["note"] == "carlos rated it"
        mapped.unpersist()
        monkeypatch.delenv(KEY_VARIABLE)
        register_functions(spark)

    def test_a_wrong_column_is_named_with_those_of_the_file(self, ingest, write, log, tmp_path, file_format):
        write(tmp_path / "log", list(COLUMNS), [RATINGS["kept"]])
        if file_format == "jsonl":  # where a key may be missing, it is null
            assert ingest({**log, "rating": "score"}).first().reason == "rating not a number"
            return
        with pytest.raises(SettingsError) as caught:
            ingest({**log, "rating": "score"})
        assert caught.value.expected.rsplit(" columns ", 1)[-1].split(", ") == list(COLUMNS)
        assert caught.value.found == "'score': there is no column score"

    def test_a_missing_file_is_named(self, ingest, log, tmp_path):
        with pytest.raises(InputError, match="matches no file") as caught:
            ingest(log)
        assert caught.value.where == f"{tmp_path}/log*"

    def test_crawls_are_merged_field_by_field(self, spark, write, file_format, tmp_path):
        write(tmp_path / "items", ITEM_COLUMNS, ITEMS)
        source = {"name": "crawl", "format": file_format, "paths": ["{data}/items*"], "id": "id", "fetched_at": "at"}
        fields = [("title", "text"), ("bpm", "number"), ("tags", "list")]
        settings = EntitySettings(sources=[source], fields=[{"name": name, "type": kind} for name, kind in fields])
        mapped = map_entities(spark, settings, "item_id", data=str(tmp_path), ds=DS).cache()
        items = {row.item_id: tuple(row)[1:] for row in merge_entities(mapped, settings, "item_id").collect()}
        assert items == {"m1": ("Rain (live)", 90.0, ["calm", "slow"]), "m2": ("Sun", None, ["a", "b"])}
        problems = {(row.problem, row.field, row.rows) for row in count_problems(mapped).collect()}
        assert problems == {("malformed_fields", "bpm", 1), ("unknown_fields", "surplus", 1)}
        assert [row.reason for row in rejects(mapped).collect()] == ["missing item id"]
        mapped.unpersist()


_STATES = ("kept", "rejected", "filtered", "after_window", "duplicate")
