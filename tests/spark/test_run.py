"""A run's identity: interrupted runs resume, a published date gets a new run, and no run replaces a stored one."""

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bgmrec.config import load_settings
from bgmrec.errors import InputError
from bgmrec.run.state import STAGES, Run, Summary, fingerprint
from bgmrec.runtime.logs import Progress
from bgmrec.stages import retain
from bgmrec.storage import files
from bgmrec.storage.models import FACTS
from tests.spark.object_store import Killed, kill_points, killed_at, object_store

DS = date(2025, 1, 31)


@pytest.fixture
def run(spark: SparkSession, tmp_path: Path) -> Run:
    return make_run(spark, tmp_path)


def make_run(spark: SparkSession, root: Path, *overrides: str) -> Run:
    settings = load_settings([], [f"paths.root=file://{root}", *overrides])
    return Run(settings, DS, spark, Progress(), Summary())


def write_summary(run: Run) -> str:
    return run.write_summary(run.summary_document())


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


def test_a_kill_while_scratch_is_deleted_leaves_none_that_counts(spark: SparkSession, tmp_path: Path) -> None:
    """A folder disappears object by object there; the next command resumes from a whole scratch or from none."""
    for number, folder in kill_points(tmp_path):
        ended = False
        with object_store(spark, folder, conditional=True) as address:
            run = make_run(spark, folder, f"paths.root={address}")
            do(run, *STAGES[:3])
            run.begin("train")
            for name in ("round-0001/facts", "state", "a-later-one"):
                run.scratch("train").write_json(name, {})
        with object_store(spark, folder, conditional=True, step=killed_at(number)):
            try:
                run.begin("build_features")
                ended = True
            except Killed:
                pass
        with object_store(spark, folder, conditional=True):
            for stage in STAGES[:4]:
                if not run.is_resumable(stage):
                    do(run, stage) if stage != "train" else run.begin(stage)
            left = [run.scratch("train").read_json(name) for name in ("round-0001/facts", "state", "a-later-one")]
        assert left in ([{}] * 3, [None] * 3), f"killed at step {number}"
        if ended:
            break
    assert number > 4


def test_a_published_run_is_followed_by_a_new_one(run: Run) -> None:
    do(run, *STAGES)
    assert not run.is_resumable(STAGES[0])
    run.begin(STAGES[0])
    assert run.run_id == "2025-01-31-002"


def test_what_is_stored_is_never_replaced(run: Run) -> None:
    do(run, *STAGES[:4])
    run.models.tables.below(run.run_id).write_json("model", {})
    run.use_trained_model()
    run.begin("evaluate")  # of the same model
    assert run.run_id == run.model_id == "2025-01-31-001"
    run.begin("train")
    assert run.run_id == "2025-01-31-002"
    with pytest.raises(InputError, match="no model was trained"):
        _ = run.model_id
    run.use_trained_model()
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


@pytest.mark.parametrize(
    ("override", "resumable"),
    [
        ("recommend.n=30", 6),
        ("factorize.rank=7", 3),
        ("user_features.document.max_tokens=7", 2),
        ("split.valid_days=2", 0),
        ("publish.gate.min_rows=7", 6),
    ],
)
def test_settings_that_changed_repeat_the_stages_that_read_them(
    spark: SparkSession, tmp_path: Path, override: str, resumable: int
) -> None:
    do(make_run(spark, tmp_path), *STAGES[:-1])
    changed = make_run(spark, tmp_path, override)
    assert [changed.is_resumable(stage) for stage in STAGES] == [
        number < min(resumable, len(STAGES) - 1) for number in range(len(STAGES))
    ]


def test_a_stage_interrupted_with_other_settings_starts_over(spark: SparkSession, tmp_path: Path) -> None:
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


def test_the_summary_holds_the_facts_of_all_processes_of_a_run(spark: SparkSession, tmp_path: Path) -> None:
    first = make_run(spark, tmp_path)
    first.begin(STAGES[0])
    first.summary.add("ingest_ratings", rows_in=7)
    first.summary.add("seconds", ingest_ratings=1.5)
    first.finish(STAGES[0])
    second = make_run(spark, tmp_path)
    second.begin(STAGES[1])
    second.summary.add("seconds", ingest_side_info=2)
    second.finish(STAGES[1])
    path = write_summary(make_run(spark, tmp_path))
    summary = first.root.read_json(f"summaries/{first.run_id}")
    assert summary["ingest_ratings"] == {"rows_in": 7}
    assert summary["seconds"] == {"ingest_ratings": 1.5, "ingest_side_info": 2}
    metrics = files.read_bytes(spark, path.removesuffix(".json") + ".prom").decode()
    assert 'bgmrec_rows{kind="rows_in",section="ingest_ratings"} 7.0' in metrics.splitlines()
    do(second, *STAGES[2:])
    second.begin(STAGES[0])
    assert write_summary(make_run(spark, tmp_path)) != path, "another run"
    assert "ingest_ratings" not in second.root.read_json(f"summaries/{second.run_id}")


def publish_model(run: Run, ds: str, number: int) -> str:
    """Leaves what an earlier date published, as far as later runs read it."""
    run_id = f"{ds}-{number:03d}"
    facts = dict.fromkeys(FACTS, "") | {"warm_runs": 0, "holds": {"tables": [], "weights": {}, "documents": []}}
    run.models.tables.below(run_id).write_json("model", facts)
    run.versions.manifests.write_json(ds, {"ds": ds, "run_id": run_id, "model": {"run_id": run_id}})
    return run_id


def previous_id(run: Run) -> str | None:
    model = run.previous_model()
    return None if model is None else model.run_id


def test_all_stages_of_a_run_build_on_one_previous_model(spark: SparkSession, tmp_path: Path) -> None:
    """Whatever is published, rolled back or run again between two of its stages."""
    run = make_run(spark, tmp_path)
    first = publish_model(run, "2025-01-30", 1)
    do(run, *STAGES[:2])
    run.begin("build_features")
    assert previous_id(run) == first
    run.finish("build_features")
    publish_model(run, "2025-01-30", 2)  # the day before is run again
    later = make_run(spark, tmp_path)  # the next stage may be another process
    later.begin("train")
    assert previous_id(later) == first
    assert later.warm_model().run_id == first
    later.begin("build_features")
    assert previous_id(later) == "2025-01-30-002"
    files.delete(spark, f"{later.versions.manifests.path('2025-01-30')}.json")  # a rollback
    assert previous_id(later) == "2025-01-30-002"
    later.begin(STAGES[0])
    later.begin("build_features")
    assert previous_id(later) is None
    publish_model(run, "2025-01-30", 3)
    assert previous_id(later) is None, "a run that began without a previous model goes without it"


def test_a_deleted_previous_model_is_a_clear_error(run: Run) -> None:
    first = publish_model(run, "2025-01-30", 1)
    run.begin("build_features")
    assert previous_id(run) == first
    publish_model(run, "2025-01-30", 2)
    run.models.delete(first)
    with pytest.raises(InputError, match="previous model") as caught:
        run.previous_model()
    assert first in caught.value.found and "jobs/build_features.py" in caught.value.hint
    run.begin("build_features")
    assert previous_id(run) == "2025-01-30-002"


def test_retention_keeps_the_model_that_an_unfinished_run_builds_on(run: Run) -> None:
    first = publish_model(run, "2025-01-30", 1)
    run.begin("build_features")
    assert retain.inventory(run).unfinished == [run.run_id]
    assert previous_id(run) == first
    assert retain.inventory(run).unfinished == [run.run_id, first]
    do(run, *STAGES)
    assert retain.inventory(run).unfinished == []
