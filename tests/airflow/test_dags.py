"""The DAGs as Airflow parses them, and the spark-submit command of every Spark task as golden files.

Rebuild after a change: BGMREC_REBUILD_GOLDEN=1 .venv-airflow/bin/python -m pytest tests/airflow/test_dags.py
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.dag_processing.dagbag import BundleDagBag, DagBag
from airflow.models import Connection

from tests.airflow.conftest import site
from tests.e2e.nights import PROJECT

GOLDEN = PROJECT / "tests" / "golden" / "airflow"
STAGES = ["ingest_ratings", "ingest_side_info", "build_features", "train", "evaluate", "recommend"]
SPARK_TASKS = [*STAGES, "retain"]
SITE = {
    "home": "/opt/bgmrec",
    "configs": ["conf/base.toml", "/etc/bgmrec/site.toml"],
    "overrides": ["paths.root=hdfs:///bgmrec"],
    "spark_conf": {"spark.archives": "/opt/bgmrec/dist/environment.tar.gz#environment"},
    "log": "s3://logs/ds={ds}/_SUCCESS",
}


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return parsed()


def parsed() -> DagBag:
    """The DAGs as Airflow parses them now; it imports their shared module once per process."""
    sys.modules.pop("bgmrec_site", None)
    folder = PROJECT / "jobs" / "dags"
    return BundleDagBag(folder, bundle_path=folder, bundle_name="bgmrec")


def test_airflow_parses_every_file(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {"bgmrec_nightly", "bgmrec_crawl"}


def test_stages_follow_the_log_and_each_other_and_retain_follows_publishing(bag: DagBag) -> None:
    dag = bag.dags["bgmrec_nightly"]
    order = ["previous_run_is_over", "log_is_there", *STAGES]
    assert [task.task_id for task in dag.topological_sort()] == [*order, "retain", "published"]
    for name, later in pairwise(order):
        assert dag.get_task(name).downstream_task_ids == {later}
    assert dag.get_task("recommend").downstream_task_ids == {"retain", "published"}
    assert [task.task_id for task in dag.tasks if not task.downstream_task_ids] == ["published"], "sets the run's state"
    assert dag.max_active_runs == 1
    assert {asset.name for asset in dag.get_task("recommend").outlets} == {
        "bgmrec_recommendations",
        "bgmrec_similar_items",
    }


def test_every_task_is_retried_and_spark_tasks_have_a_time_limit_and_a_pool(bag: DagBag) -> None:
    for dag in bag.dags.values():
        for task in dag.tasks:
            assert task.retries >= 2
            if task.task_id in {*SPARK_TASKS, "crawl_frontier", "crawl"}:
                assert task.execution_timeout and task.execution_timeout >= timedelta(hours=1)
                assert task.pool == ("bgmrec_crawl" if task.task_id == "crawl" else "bgmrec_spark")


def test_the_logical_date_is_the_day_of_the_log_and_runs_after_its_end(bag: DagBag) -> None:
    from airflow.timetables.interval import CronDataIntervalTimetable

    for dag in bag.dags.values():
        timetable = CronDataIntervalTimetable(dag.timetable.expression, dag.timetable.timezone)
        interval = timetable.infer_manual_data_interval(run_after=pendulum.datetime(2025, 3, 15, 0, 1))
        assert interval.start == pendulum.datetime(2025, 3, 14) and interval.end == pendulum.datetime(2025, 3, 15)


@pytest.mark.parametrize(
    ("first_day", "first_run"), [(None, pendulum.yesterday("UTC")), ("2025-01-05", pendulum.datetime(2025, 1, 5))]
)
def test_a_new_installation_starts_with_yesterday_unless_the_site_names_a_day(
    first_day: str | None, first_run: pendulum.DateTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.timetables.base import TimeRestriction
    from airflow.timetables.interval import CronDataIntervalTimetable

    monkeypatch.delenv("BGMREC_FIRST_DAY", raising=False)
    if first_day is not None:
        monkeypatch.setenv("BGMREC_FIRST_DAY", first_day)
    dag = parsed().dags["bgmrec_nightly"]
    timetable = CronDataIntervalTimetable(dag.timetable.expression, dag.timetable.timezone)
    restriction = TimeRestriction(earliest=dag.start_date, latest=None, catchup=dag.catchup)
    first = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert first is not None and first.logical_date == first_run


@pytest.mark.parametrize(
    ("name", "connection"),
    [
        ("local", {"host": "local[2]", "extra": {"deploy-mode": "client"}}),
        ("yarn", {"host": "yarn", "extra": {"deploy-mode": "cluster", "queue": "nightly"}}),
        ("standalone", {"host": "spark://master.example", "port": 7077, "extra": {"deploy-mode": "client"}}),
    ],
)
def test_the_commands_equal_the_golden_files(
    bag: DagBag, name: str, connection: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.dumps({"conn_type": "spark", **connection})
    monkeypatch.setenv("AIRFLOW_CONN_BGMREC_SPARK", document)
    lines = [_command(bag.dags["bgmrec_nightly"], task, Connection.from_json(document)) for task in SPARK_TASKS]
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("BGMREC_REBUILD_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text("\n".join(lines) + "\n")
    assert lines == golden.read_text().splitlines()


def _command(dag: Any, stage: str, connection: Connection) -> str:
    """The command that the operator runs for 2025-03-14, with its templates rendered."""
    task = dag.get_task(stage).prepare_for_execution()
    context = {
        "ds": "2025-03-14",
        "var": SimpleNamespace(json=SimpleNamespace(bgmrec=SITE)),
        "conn": SimpleNamespace(bgmrec_spark=connection),
    }
    task.render_template_fields(context, dag.get_template_env())
    return shlex.join(task._get_hook()._build_spark_submit_command(task.application))


def test_the_site_of_the_tests_has_the_members_that_the_dags_read(tmp_path: Path) -> None:
    assert set(SITE) | {"crawls"} == set(site(tmp_path, tmp_path))
