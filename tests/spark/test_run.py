"""A run's identity: interrupted nights go on, published ones are made anew, and no run overwrites a published one."""

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bgmrec.config import load_settings
from bgmrec.errors import InputError
from bgmrec.run.state import STAGES, Run, Summary, fingerprint
from bgmrec.runtime.logs import Progress
from bgmrec.storage import files

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


def test_what_is_stored_is_never_made_anew_under_its_number(run: Run) -> None:
    do(run, *STAGES[:4])
    run.models.tables.below(run.run_id).write_json("model", {})
    run.learnt()
    run.begin("evaluate")  # of the same model
    assert run.run_id == run.model_id == "2025-01-31-001"
    run.begin("train")
    assert run.run_id == "2025-01-31-002"
    with pytest.raises(InputError, match="no model was learnt"):
        _ = run.model_id
    run.learnt()
    do(run, "evaluate", "recommend")
    run.versions.records.write_json(run.run_id, {})
    run.begin("recommend")
    assert (run.run_id, run.model_id) == ("2025-01-31-003", "2025-01-31-002")


def test_a_stage_interrupted_after_it_stored_its_result_keeps_its_number(run: Run) -> None:
    do(run, *STAGES[:3])
    run.begin("train")
    run.models.tables.below(run.run_id).write_json("model", {})
    run.begin("train")
    assert run.run_id == "2025-01-31-001"


def test_a_new_run_never_takes_the_number_of_a_stored_one(run: Run) -> None:
    run.versions.records.write_json("2025-01-31-007", {})
    run.models.tables.below("2025-01-31-005").write_json("model", {})
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


def test_the_summary_holds_what_every_process_of_the_night_found(spark: SparkSession, tmp_path: Path) -> None:
    first = make_run(spark, tmp_path)
    first.begin(STAGES[0])
    first.summary.add("ingest_ratings", rows_in=7)
    first.summary.add("seconds", ingest_ratings=1.5)
    first.finish(STAGES[0])
    second = make_run(spark, tmp_path)
    second.begin(STAGES[1])
    second.summary.add("seconds", ingest_side_info=2)
    second.finish(STAGES[1])
    path = make_run(spark, tmp_path).write_summary()
    summary = first.root.read_json(f"summaries/{first.run_id}")
    assert summary["ingest_ratings"] == {"rows_in": 7}
    assert summary["seconds"] == {"ingest_ratings": 1.5, "ingest_side_info": 2}
    metrics = files.read_bytes(spark, path.removesuffix(".json") + ".prom").decode()
    assert 'bgmrec_rows{section="ingest_ratings",kind="rows_in"} 7' in metrics.splitlines()
    do(second, *STAGES[2:])
    second.begin(STAGES[0])
    assert make_run(spark, tmp_path).write_summary() != path, "another night"
    assert "ingest_ratings" not in second.root.read_json(f"summaries/{second.run_id}")
