"""The task `retain` in a real Airflow: it runs after publishing, and its failure leaves the run successful."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.airflow.conftest import HOME, airflow, environment

DAY = "2025-01-04"
# instead of Spark: succeeds, but for one job
SUBMIT = """#!/bin/sh
case "$*" in */%s.py*) exit 4 ;; esac
"""


def states(tmp_path: Path, failing: str) -> dict[str, str]:
    """States of the run (key "") and of its tasks after a day on which one job fails."""
    submit = tmp_path / "bin" / "spark-submit"
    submit.parent.mkdir()
    submit.write_text(SUBMIT % failing)
    submit.chmod(0o755)
    (tmp_path / "world" / "events" / f"ds={DAY}").mkdir(parents=True)
    env = environment(tmp_path / "world", tmp_path / "root", first_on_path=submit.parent)
    airflow("dags", "test", "bgmrec_nightly", DAY, env={**env, "AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "0"}, check=False)
    with closing(sqlite3.connect(f"file:{HOME / 'airflow.db'}?mode=ro", uri=True, timeout=30)) as database:
        tasks = database.execute("select task_id, state from task_instance where dag_id = 'bgmrec_nightly'").fetchall()
        runs = database.execute("select '', state from dag_run where dag_id = 'bgmrec_nightly'").fetchall()
    return dict(tasks + runs)


@pytest.mark.usefixtures("migrated")
def test_a_failed_retain_leaves_the_published_run_successful(tmp_path: Path) -> None:
    by_task = states(tmp_path, "retain")
    assert (by_task["recommend"], by_task["retain"], by_task[""]) == ("success", "failed", "success")


@pytest.mark.usefixtures("migrated")
def test_retain_does_not_run_after_a_run_that_was_not_published(tmp_path: Path) -> None:
    by_task = states(tmp_path, "recommend")
    assert (by_task["recommend"], by_task["retain"], by_task[""]) == ("failed", "upstream_failed", "failed")
