"""A separate Airflow: home, metadata and settings in a temporary folder; the DAGs and spark-submit of this project."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.e2e.nights import CONFIG, FIRST_DAY, PROJECT, SMALL, run_job

BIN = PROJECT / ".venv" / "bin"
PYTHON = str(BIN / "python")
HOME = Path(tempfile.mkdtemp(prefix="bgmrec-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
CONFIGS = CONFIG[1::2]
# side information, both encoders and several rounds are tested by tests/e2e
LIGHT = ("train.rounds=1", "user_encoder.kind=none", "item_encoder.kind=none")

# Airflow reads its configuration when it is imported
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "jobs" / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
    "PYSPARK_PYTHON": PYTHON,
    "AIRFLOW_CONN_BGMREC_SPARK": json.dumps(
        {"conn_type": "spark", "host": "local[2]", "extra": {"deploy-mode": "client", "spark-binary": "spark-submit"}}
    ),
}


def site(world: Path, root: Path) -> dict[str, object]:
    """The Variable `bgmrec` of a site with small runs."""
    return {
        "home": str(PROJECT),
        "configs": CONFIGS,
        "overrides": [f"paths.data={world}", f"paths.root={root}", *SMALL, *LIGHT],
        "spark_conf": {"spark.driver.memory": "2g"},
        "log": f"{world}/events/ds={{ds}}",
        "crawls": ["conf/crawl/sample-site.toml"],
    }


def environment(world: Path, root: Path, *, first_on_path: Path = BIN) -> dict[str, str]:
    """The environment of the processes of Airflow, with the project's spark-submit on the PATH."""
    java = subprocess.run(
        [PYTHON, "-m", "bgmrec.runtime.java"], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    return {
        **os.environ,
        "AIRFLOW_VAR_BGMREC": json.dumps(site(world, root)),
        "JAVA_HOME": java.stdout.strip(),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PATH": f"{first_on_path}:{BIN}:{os.environ['PATH']}",
    }


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    sizes = ["--users", "120", "--items", "60", "--events", "3000", "--days", "6", "--seed", "5"]
    run_job("generate_world", *sizes, "--first-day", FIRST_DAY, "--out", str(out), python=PYTHON)
    return out


@pytest.fixture
def migrated() -> None:
    """A new metadata database, because a backfill skips days that have a run already, and the pools of the DAGs."""
    airflow("db", "reset", "--yes")
    for pool in ("bgmrec_spark", "bgmrec_crawl"):
        airflow("pools", "set", pool, "1", "one at a time on this machine")


def airflow(*arguments: str, env: dict[str, str] | None = None, check: bool = True) -> str:
    """Runs a command of Airflow; returns its output."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "airflow"), *arguments],
        capture_output=True,
        text=True,
        timeout=1800,
        env=env,
        cwd=HOME,
    )
    output = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0 or not check, f"airflow {arguments[0]} ended with {done.returncode}\n{output}"
    return output
