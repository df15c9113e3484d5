"""The profile of a night's input: what is counted, what later nights are compared with, and what a change does."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from bgmrec.config import Settings
from bgmrec.errors import QualityGateError
from bgmrec.ingest.duplicates import DIGESTS
from bgmrec.ingest.profile import SourceRows, profile_rows
from bgmrec.ingest.sampled_values import Field
from bgmrec.ingest.unicode_forms import in_form
from bgmrec.publish.promotion import promote
from bgmrec.recommend.candidates import candidate_items
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress, logger
from bgmrec.stages import ingest_ratings, ingest_side_info, input_profile
from bgmrec.storage.models import FACTS

DS = date(2025, 3, 14)
LOG = {"name": "log", "format": "csv", "paths": ["{data}/log.csv"], "rating": "stars", "rated_at": "at"}
CAT = {"name": "cat", "format": "jsonl", "paths": ["{data}/items.jsonl"], "id": "id"}
FIELDS = [
    {"name": "title", "type": "text"},
    {"name": "genre", "type": "string"},
    {"name": "tags", "type": "list"},
    {"name": "year", "type": "integer"},
    {"name": "audio", "type": "vector"},
    {"name": "released", "type": "timestamp"},
    {"name": "vocal", "type": "boolean"},
]


def rows(n: int = 400, stars: str = "12345", day: str = "2025-03-13") -> list[str]:
    return [f"u{at % 50},m{at % 20},{stars[at % len(stars)]},{day} {at % 10:02d}:00:00.{at:06d}" for at in range(n)]


def night(
    spark: SparkSession, folder: Path, lines: list[str], ds: date = DS, force: str | None = None, **s: Any
) -> Run:
    (folder / "log.csv").write_text("\n".join(["user_id,item_id,stars,at", *lines]), encoding="utf-8")
    document = {
        "paths": {"data": str(folder), "root": str(folder / "root")},
        "ratings": {"sources": [LOG], "minimum": 1, "maximum": 5, "max_reject_share": 1.0},
        **s,
    }
    return Run(Settings.model_validate(document), ds, spark, Progress(), Summary(), force)


def ratings_profile(run: Run) -> dict[str, Any]:
    run.begin("ingest_ratings")
    ingest_ratings.stage(run)
    return run.summary.facts["ingest_ratings"]["profile"]["log"]


def beyond(run: Run) -> list[str]:
    return [change["what"] for change in run.summary.facts["ingest_ratings"]["changes"] if change["beyond"]]


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logger, "propagate", True)
    with caplog.at_level(logging.WARNING):
        yield lambda: [record.getMessage() for record in caplog.records if record.name == logger.name]


def test_ratings_are_profiled(spark: SparkSession, tmp_path: Path) -> None:
    lines = [*rows(), ",m1,3,2025-03-13", "u1,m1,9,2025-03-13", "u1,m1,1,2025-03-15"]
    profile = ratings_profile(night(spark, tmp_path, lines))
    assert profile["rows"] == {"kept": 400, "rejected": 2, "filtered": 0, "after_window": 1}
    assert (profile["format"], profile["files"], profile["encodings"]) == ("csv", 1, {"UTF-8": 1})
    assert profile["bytes"] == (tmp_path / "log.csv").stat().st_size
    users, items = profile["ids"]["user_id"], profile["ids"]["item_id"]
    assert (users["distinct"], items["distinct"]) == (50, 20)
    assert items["largest_share"] == pytest.approx(0.05) and items["top"][0][1] == 20
    assert users["new_share"] is None and users["non_ascii"] == 0 and "top" not in users, "no ids of people"
    rating, at = profile["fields"]["rating"], profile["fields"]["rated_at"]
    assert (rating["nulls"], rating["low"], rating["high"]) == (0, 1.0, 5.0)
    assert sorted(rating["top"]) == [[f"{n}.0", 80] for n in range(1, 6)]
    assert (at["low"], at["high"]) == ("2025-03-13T00:00:00", "2025-03-13T09:00:00")
    assert sorted(at["top"]) == [[f"{n:02d}", 40] for n in range(10)]


def test_side_information_is_profiled(spark: SparkSession, tmp_path: Path) -> None:
    record = (
        '{"id": "m1", "title": "Rain", "genre": "pop", "tags": ["a", "b"], "year": 1999, "audio": [1, 2],'
        ' "released": "2020-01-01", "vocal": true}'
    )
    (tmp_path / "items.jsonl").write_text(f'{record}\n{{"id": "m2", "year": 2001}}\n{{"title": "no id"}}\n')
    items = {"sources": [CAT], "fields": FIELDS, "max_reject_share": 1.0}
    run = night(spark, tmp_path, rows(), items=items)
    run.begin("ingest_side_info")
    ingest_side_info.stage(run)
    profile = run.summary.facts["ingest_items"]["profile"]["cat"]
    assert profile["rows"] == {"kept": 2, "rejected": 1, "filtered": 0, "after_window": 0}
    assert profile["ids"]["item_id"]["distinct"] == 2
    fields = profile["fields"]
    assert {name: field["nulls"] for name, field in fields.items()} == {
        "title": 1, "genre": 1, "tags": 1, "year": 0, "audio": 1, "released": 1, "vocal": 1
    }  # fmt: skip
    assert (fields["year"]["low"], fields["year"]["high"]) == (1999, 2001)
    assert (fields["genre"]["top"], sorted(fields["tags"]["top"])) == ([["pop", 1]], [["a", 1], ["b", 1]])
    assert fields["released"]["low"] == "2020-01-01T00:00:00"
    assert "ingest_users" in run.summary.facts and "profile" not in run.summary.facts["ingest_users"]


def test_a_night_is_compared_with_the_nights_before(spark: SparkSession, tmp_path: Path, warnings: Any) -> None:
    first, same, other = (night(spark, tmp_path, rows(), DS + timedelta(days=n)) for n in range(3))
    for run in (first, same):
        ratings_profile(run)
        assert beyond(run) == []
    assert first.summary.facts["ingest_ratings"]["changes"] == [] and warnings() == []
    night(spark, tmp_path, rows(stars="15"))
    ratings_profile(other)
    assert beyond(other) == ["stability index of rating"]
    assert ["stability index of rating of log" in text for text in warnings()] == [True]


def test_changed_input_is_refused_before_a_model_learns_it_and_later_nights_are_not_compared_with_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    refuse = {"publish": {"gate": {"input_changes": "refuse"}}}
    ratings_profile(night(spark, tmp_path, rows(), DS))
    for day in (1, 2):
        run = night(spark, tmp_path, rows(stars="15"), DS + timedelta(days=day), **refuse)
        with pytest.raises(QualityGateError, match="input changes") as caught:
            ratings_profile(run)
        assert "stability index of rating of log" in caught.value.found and not run.work.exists("ratings")
    ratings_profile(night(spark, tmp_path, rows(stars="15"), DS + timedelta(days=3), "a new scale", **refuse))
    run = night(spark, tmp_path, rows(stars="15"), DS + timedelta(days=4), **refuse)
    ratings_profile(run)  # the night before was accepted
    off = {"publish": {"gate": {"input_changes": "off"}}}
    ratings_profile(night(spark, tmp_path, rows(stars="2"), DS + timedelta(days=5), **off))


def test_files_of_earlier_days_are_not_profiled(spark: SparkSession, tmp_path: Path) -> None:
    for day in (13, 14):
        (tmp_path / f"2025-03-{day}.csv").write_text("\n".join(["user_id,item_id,stars,at", *rows(n=day)]))
    source = {**LOG, "paths": ["{data}/{ds}.csv"], "lookback_days": 2}
    for cached in (False, True):
        run = night(spark, tmp_path, [], ratings={"sources": [source], "minimum": 1, "maximum": 5})
        profile = ratings_profile(run)
        assert (profile["rows"]["kept"], profile["files"]) == (14, 1), cached


def test_the_share_of_new_ids_is_that_of_the_previous_published_run(spark: SparkSession, tmp_path: Path) -> None:
    before = night(spark, tmp_path, rows(), DS)
    before.begin("ingest_ratings")
    index = [(f"m{n}", n) for n in range(15)]
    tables = {
        "user_index": spark.createDataFrame([("u1", 0)], "user_id string, user_idx int"),
        "item_index": spark.createDataFrame(index, "item_id string, item_idx int"),
    }
    before.models.save(before.run_id, tables, {}, {}, dict.fromkeys(FACTS))
    manifest = {"ds": str(DS), "run_id": before.run_id, "tables": {}, "model": {"run_id": before.run_id}}
    promote(before.versions, manifest)
    profile = ratings_profile(night(spark, tmp_path, rows(), DS + timedelta(days=1)))
    shares = {name: ids["new_share"] for name, ids in profile["ids"].items()}
    assert shares == {"user_id": pytest.approx(0.98), "item_id": pytest.approx(0.25)}


def test_ids_that_pandas_wrote_as_floats_are_named(spark: SparkSession, tmp_path: Path, warnings: Any) -> None:
    ratings_profile(night(spark, tmp_path, ["7.0,m1,3,2025-03-13", "8.0,m2,3,2025-03-13", "x,m3,3,2025-03-13"]))
    (text,) = warnings()
    assert "2 of 3 rows have a user id that ends in .0" in text and "ratings.sources.log" in text


def test_a_large_night_is_sampled(spark: SparkSession) -> None:
    mapped = spark.range(300_000).select(
        f.lit("kept").alias("state"),
        f.lit(0).alias("_source_position"),
        f.xxhash64("id").alias(DIGESTS[0]),
        (f.col("id") % 30_000).cast("string").alias("item_id"),
        (f.col("id") % 5).cast("double").alias("rating"),
    )
    sources = [SourceRows("log", 300_000)]
    profile = profile_rows(mapped, sources, ["item_id"], [Field("rating", "number", f.col("rating"))])["log"]
    assert profile["rows"]["kept"] == 300_000
    assert profile["ids"]["item_id"]["distinct"] == pytest.approx(30_000, rel=0.09)
    rating = profile["fields"]["rating"]
    assert 30_000 < rating["sampled"] < 45_000
    assert all(n == pytest.approx(rating["sampled"] / 5, rel=0.05) for _, n in rating["top"])
    assert len(profile["ids"]["item_id"]["sample"]) == 2048


COMPOSED, DECOMPOSED = "Jos\u00e9", "Jose\u0301"


def forms(spark: SparkSession, folder: Path, form: str) -> Run:
    """A log with two spellings of one user and one item; the catalogue and the item list have a third pair."""
    lines = [f"{user},{user},3,2025-03-13" for user in (COMPOSED, DECOMPOSED)] + [f"u,x{DECOMPOSED},3,2025-03-13"]
    (folder / "items.jsonl").write_text(f'{{"id": "x{COMPOSED}"}}\n{{"id": "{DECOMPOSED}"}}\n', encoding="utf-8")
    (folder / "allow.csv").write_text(f"item_id\n{DECOMPOSED}\n", encoding="utf-8")
    items = {"sources": [CAT], "fields": FIELDS}
    allow = {"format": "csv", "paths": ["{data}/allow.csv"]}
    return night(spark, folder, lines, ids={"unicode_form": form}, items=items, recommend={"allow": allow})


def test_ids_that_differ_by_their_normal_form_alone_are_counted(
    spark: SparkSession, tmp_path: Path, warnings: Any
) -> None:
    run = forms(spark, tmp_path, "none")
    ratings_profile(run)
    ingest_side_info.stage(run)
    assert run.work.read("ratings").count() == 3
    users, items, catalogue = warnings()
    assert "2 values of item_id differ" in users and "2 values of user_id differ" in items
    assert "4 values of item_id differ" in catalogue and "in one form they are 2" in catalogue
    assert "ids.unicode_form" in catalogue


def test_ids_are_one_in_the_composed_form(spark: SparkSession, tmp_path: Path, warnings: Any) -> None:
    run = forms(spark, tmp_path, "nfc")
    ratings_profile(run)
    ingest_side_info.stage(run)
    pairs = {(row.user_id, row.item_id) for row in run.work.read("ratings").collect()}
    assert pairs == {(COMPOSED, COMPOSED), ("u", f"x{COMPOSED}")}
    assert {row.item_id for row in run.work.read("items").collect()} == {COMPOSED, f"x{COMPOSED}"}
    index = spark.createDataFrame([(COMPOSED, 0), ("other", 1)], "item_id string, item_idx int")
    assert [row.item_idx for row in candidate_items(run, run.work, index).collect()] == [0]
    assert warnings() == []


def test_ids_on_the_command_line_take_the_form_of_the_tables() -> None:
    assert in_form([DECOMPOSED, "u"], "nfc") == [COMPOSED, "u"]
    assert in_form([DECOMPOSED], "none") == [DECOMPOSED]


def test_ascii_ids_need_no_second_look(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_profile, "ids_by_form_alone", lambda *_: pytest.fail("looked at ids again"))
    ratings_profile(night(spark, tmp_path, rows()))
