"""Publishing through the gate: what is measured on real tables, what a refusal and a forced publication leave."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bgmrec.config import load_settings
from bgmrec.errors import EXIT_QUALITY_GATE, InputError, QualityGateError, SettingsError
from bgmrec.publish.contracts import RECOMMENDATIONS, SIMILAR_ITEMS
from bgmrec.publish.measure import listed_items, table_numbers
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.stages import evaluate, publishing, recommend
from bgmrec.stages.outcome import failures_reported
from bgmrec.storage import files, schemas
from bgmrec.storage.models import FACTS

DAY, NEXT = date(2025, 1, 31), date(2025, 2, 1)
NO_FAULTS = {"gaps": 0}


def ready(
    spark: SparkSession, root: Path, ds: date, users: int, rmse: float, *overrides: str, force: str | None = None
) -> Run:
    """A run whose model, lists and metrics are there: each of 4 users has a list of two of the 4 tracks."""
    settings = load_settings([], [f"paths.root={root}", "publish.catalog=none", "evaluate.clip=[1, 5]", *overrides])
    run = Run(settings, ds, spark, Progress(), Summary(), force)
    run.begin("recommend")
    lists = [(u, p, (u + p) % 4, 6.0 - p, "warm") for u in range(users) for p in (1, 2)]
    run.work.write(spark.createDataFrame(lists, schemas.TOP_N), "top_n")
    run.work.write(spark.createDataFrame([(i, 1, 3 - i, 0.5) for i in range(4)], schemas.SIMILAR), "similar")
    overall = {"metric": "rmse", "k": None, "slice": "all", "value": "all", "n": 9}
    ranking = {**overall, "metric": "ndcg", "k": 10, "model": "popularity", "result": 0.1}
    errors = [{**overall, "model": name, "result": result} for name, result in (("bgmrec", rmse), ("bias", 1.2))]
    index = [(f"x{n}", n) for n in range(4)]
    tables = {name: spark.createDataFrame(index, schemas.TABLES[name]) for name in ("user_index", "item_index")}
    sizes = {"users": 4, "items": 4, "train": 9 * users, "valid": users}
    run.models.save(run.run_id, tables, {}, {}, {**dict.fromkeys(FACTS), **sizes})
    run.use_trained_model()
    run.work.write_json("metrics", {"model": run.run_id, "held_out": 9, "rows": [ranking, *errors]})
    return run


def publish(run: Run, faults: dict[str, int] = NO_FAULTS) -> None:
    publishing.publish(run, run.models.load(run.model_id), run.spark.range(4), faults)


def test_a_refused_run_leaves_the_previous_version_and_names_every_failed_check(
    spark: SparkSession, tmp_path: Path
) -> None:
    publish(ready(spark, tmp_path, DAY, users=4, rmse=0.8))
    before = Run(load_settings([], [f"paths.root={tmp_path}"]), NEXT, spark, Progress(), Summary()).versions.latest()
    run = ready(spark, tmp_path, NEXT, users=2, rmse=1.1)
    with pytest.raises(QualityGateError) as caught:
        publish(run, {"gaps": 3})
    assert caught.value.exit_status == EXIT_QUALITY_GATE
    found = caught.value.found
    assert "share of rows lost (recommendations): 0.5, expected at most 0.3 of the previous date's 8 rows" in found
    assert "share of ratings lost (ratings): 0.5, expected at most 0.3 of the previous date's 40 rows" in found
    assert "gaps (top_n): 3, expected at most 0" in found
    assert "user coverage (recommendations): 0.5, expected at least 0.95" in found
    assert "relative metric loss (rmse): 0.375, expected at most 0.25 of the previous date's 0.8" in found
    assert run.summary.facts["gate"]["failed"] == 5
    assert run.versions.latest() == before and run.versions.manifest(str(NEXT)) is None


def test_a_forced_run_is_published_and_its_manifest_keeps_the_reason(spark: SparkSession, tmp_path: Path) -> None:
    run = ready(spark, tmp_path, DAY, users=2, rmse=0.8, force="half of the log is late")
    publish(run)
    forced = run.versions.manifest(str(DAY))["forced"]
    assert forced == run.summary.facts["gate"]["forced"]
    assert forced["reason"] == "half of the log is late"
    assert [(check["name"], check["measured"]) for check in forced["overridden"]] == [("user coverage", 0.5)]
    assert run.versions.read("recommendations", str(DAY)).count() == 4


def test_a_good_run_is_published_with_all_checks_in_the_summary(spark: SparkSession, tmp_path: Path) -> None:
    run = ready(spark, tmp_path, DAY, users=4, rmse=0.8, force="never needed")
    publish(run)
    checks = run.summary.facts["gate"]["checks"]
    assert {check["status"] for check in checks} == {"passed", "skipped"}
    measured = {(check["name"], check["where"]): check["measured"] for check in checks}
    assert measured["rows", "recommendations"] == 8 and measured["rows", "similar_items"] == 4
    assert measured["share of scores out of range", "recommendations"] == 0.0
    assert measured["invalid scores", "similar_items"] == 0
    assert measured["catalogue coverage", "recommendations"] == 1.0
    assert run.versions.manifest(str(DAY))["forced"] is None


def test_a_run_must_beat_the_first_baseline_that_has_the_metric(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(QualityGateError) as caught:
        publish(ready(spark, tmp_path, DAY, users=4, rmse=1.5))
    check = "relative metric gain (rmse): -0.25, expected at least 0 over 1.2 of bias"  # popularity predicts no ratings
    assert check in caught.value.found
    publish(ready(spark, tmp_path / "named", DAY, 4, 1.5, "publish.gate.baseline=popularity"))


def test_a_metric_that_was_not_evaluated_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    run = ready(spark, tmp_path, DAY, 4, 0.8, "publish.gate.metric=mae")
    with pytest.raises(SettingsError, match="was not evaluated") as caught:
        publish(run)
    assert caught.value.expected == "one of: rmse" and run.versions.latest() is None


def test_each_number_is_counted_separately(spark: SparkSession) -> None:
    rows = [
        ("d", "u1", 1, "m1", 4.0, "warm", "r"),
        ("d", "u1", 2, "m2", 3.0, "cold", "r"),
        ("d", "u2", 1, "m1", 900.0, "popular", "r"),  # popularity is not a score of the model
        ("d", "u2", 1, "m3", float("nan"), "warm", "r"),  # the same position twice, and not a number
        ("d", "u3", 1, None, float("-inf"), "warm", "r"),
        ("d", None, 1, "m1", 2.0, "warm", "r"),
        ("d", None, 1, "m1", 2.0, "warm", "r"),  # nulls are not duplicate keys
    ]
    columns = "ds string, user_id string, position int, item_id string, score float, source string, run_id string"
    df = spark.createDataFrame(rows, columns)
    numbers = table_numbers(df, RECOMMENDATIONS, (2.5, 5.0))
    assert (numbers.rows, numbers.rows_with_nulls, numbers.duplicate_keys, numbers.entities) == (7, 3, 1, 3)
    assert (numbers.invalid_scores, numbers.lowest, numbers.highest) == (2, 2.0, 4.0)
    assert (numbers.scored, numbers.out_of_range, numbers.score_range) == (4, 2, (2.5, 5.0))
    assert listed_items(df) == 3
    empty = table_numbers(df.limit(0), RECOMMENDATIONS, None)
    assert (empty.rows, empty.duplicate_keys, empty.lowest) == (0, 0, None)
    similar = spark.createDataFrame([("d", "m1", 1, "m2", 1.5, "r")], schemas.SIMILAR_ITEMS)
    no_cosine = table_numbers(similar, SIMILAR_ITEMS, (1.0, 5.0))
    assert (no_cosine.invalid_scores, no_cosine.score_range) == (1, None)


def train_again(run: Run) -> None:
    """Stores another model of the date and makes it the one to recommend with, as jobs/train.py does."""
    stored = run.models.load(run.model_id)
    run.begin("train")
    tables = {name: stored.table(name) for name in ("user_index", "item_index")}
    run.models.save(run.run_id, tables, {}, {}, stored.facts)
    run.use_trained_model()
    run.finish("train")
    run.begin("recommend")


def test_the_metrics_of_another_model_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    run = ready(spark, tmp_path, DAY, users=4, rmse=0.8, force="a reason that does not help")
    publish(run)
    before = run.versions.latest()
    train_again(run)
    with pytest.raises(InputError, match=f"{DAY}-002 was not evaluated") as caught:
        publish(run)
    assert caught.value.found == f"metrics of the model of run {DAY}-001"
    assert caught.value.expected == f"metrics of the model of run {DAY}-002"
    assert (
        caught.value.where.endswith(f"ds={DAY}/metrics.json")
        and f"jobs/evaluate.py with --ds {DAY}" in caught.value.hint
    )
    assert run.versions.latest() == before
    run.work.write_json("metrics", {**run.work.read_json("metrics"), "model": run.run_id})  # as jobs/evaluate.py does
    publish(run)
    assert run.versions.manifest(str(DAY))["evaluation"]["model"] == f"{DAY}-002"


def test_the_lists_of_a_model_that_was_not_evaluated_are_not_computed(spark: SparkSession, tmp_path: Path) -> None:
    run = ready(spark, tmp_path, DAY, users=4, rmse=0.8)
    files.delete(spark, f"{run.work.path('metrics')}.json")
    with pytest.raises(InputError, match=f"{DAY}-001 was not evaluated") as caught:
        recommend.stage(run)
    assert caught.value.found == "no such file"
    with pytest.raises(InputError, match="was not evaluated"):
        publish(run)


def test_a_model_without_held_out_ratings_is_published(spark: SparkSession, tmp_path: Path) -> None:
    run = ready(spark, tmp_path, DAY, users=4, rmse=0.8)
    run.work.write_json("evaluated", {"valid": 0})
    evaluate.stage(run)
    publish(run)
    evaluation = {"model": f"{DAY}-001", "held_out": 0, "metrics": {}}
    assert run.versions.manifest(str(DAY))["evaluation"] == evaluation
    statuses = {check["name"]: check["status"] for check in run.summary.facts["gate"]["checks"]}
    assert statuses["relative metric loss"] == statuses["relative metric gain"] == "skipped"


def test_what_fails_after_publishing_leaves_the_run_published_in_its_summary(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = ready(spark, tmp_path, DAY, users=4, rmse=0.8)
    with pytest.raises(OSError), failures_reported(run):
        publish(run)
        raise OSError("no space left to mark the stage as finished")
    assert run.root.read_json(f"summaries/{DAY}-001")["result"]["published"] is True
