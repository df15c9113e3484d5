"""A run's identity: interrupted nights go on, published ones are made anew, and no run overwrites a published one."""

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bgmrec.config import load_settings
from bgmrec.errors import InputError
from bgmrec.logs import Progress
from bgmrec.run import STAGES, Run, Summary, fingerprint

DS = date(2025, 1, 31)


@pytest.fixture
def run(spark: SparkSession, tmp_path: Path) -> Run:
    return make_run(spark, tmp_path)


def make_run(spark: SparkSession, root: Path, *overrides: str) -> Run:
    settings = load_settings([], [f"paths.root=file://{root}", *overrides])
    return Run(settings, DS, spark, Progress(), Summary())


def do(run: Run, *stages: str) -> None:
    for stage in stages:
        run.begin(stage)
        run.finish(stage)


def test_an_interrupted_run_keeps_its_identity_and_its_finished_stages(run: Run) -> None:
    do(run, *STAGES[:3])
    run.begin("train")
    run.scratch("train").write_json("state", {"round": 2})
    assert [run.is_resumable(stage) for stage in STAGES] == [True, True, True, False, False, False]
    run.begin("train")
    assert run.run_id == "2025-01-31-001"
    assert run.scratch("train").read_json("state") == {"round": 2}


def test_a_stage_done_again_drops_what_later_stages_made(run: Run) -> None:
    do(run, *STAGES[:4])
    run.scratch("train").write_json("state", {"round": 2})
    run.begin("build_features")
    assert run.scratch("train").read_json("state") is None
    assert not run.is_resumable("train")


def test_a_published_run_is_followed_by_a_new_one(run: Run) -> None:
    do(run, *STAGES)
    assert not run.is_resumable(STAGES[0])
    run.begin(STAGES[0])
    assert run.run_id == "2025-01-31-002"


def test_a_new_run_never_takes_the_number_of_a_published_one(run: Run) -> None:
    run.shelf.tables.below("_manifests").write_json("2025-01-31", {"run_id": "2025-01-31-007", "tables": {}})
    run.begin(STAGES[0])  # the working tables were cleaned away
    assert run.run_id == "2025-01-31-008"


def test_other_settings_do_not_resume(spark: SparkSession, tmp_path: Path) -> None:
    do(make_run(spark, tmp_path), STAGES[0])
    assert make_run(spark, tmp_path).is_resumable(STAGES[0])
    assert not make_run(spark, tmp_path, "factorize.rank=7").is_resumable(STAGES[0])


def test_a_stage_interrupted_with_other_settings_begins_anew(spark: SparkSession, tmp_path: Path) -> None:
    run = make_run(spark, tmp_path)
    do(run, *STAGES[:3])
    run.begin("train")
    run.scratch("train").write_json("state", {"round": 2})
    other = make_run(spark, tmp_path, "factorize.rank=7")
    other.begin("train")
    assert other.scratch("train").read_json("state") is None


def test_places_and_spark_settings_do_not_change_the_fingerprint() -> None:
    elsewhere = load_settings([], ["paths.root=/elsewhere", "spark.shuffle_partitions=9"])
    assert fingerprint(elsewhere) == fingerprint(load_settings([]))


def test_a_stage_without_a_run_is_a_clear_error(run: Run) -> None:
    with pytest.raises(InputError, match="no run has begun"):
        _ = run.run_id
