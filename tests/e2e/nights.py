"""Runs jobs as their own processes, the way a scheduler does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from bgmrec.runtime.java import ensure_java
from tests.quick_spark import JAVA_OPTIONS, QUICK

PROJECT = Path(__file__).parents[2]
FIRST_DAY = "2025-01-01"
DAY_BEFORE = "2025-01-05"
LAST_DAY = "2025-01-06"
TOLERANCE = 1e-5  # of float summation: another grouping of the same sums
DEMO = ["--config", "conf/base.toml", "--config", "conf/demo.toml"]
CONFIG = [*DEMO, "--config", "conf/demo-ratings.toml"]
JAVA = f"{JAVA_OPTIONS} -Dderby.stream.error.file=build/derby.log"  # not into the current folder
SPARK_CONF = {**QUICK, "spark.driver.extraJavaOptions": JAVA}
# small enough for a night of a minute, large enough that cold users, cold music and every reject occur
SMALL = [
    "spark.conf={" + ",".join(f'"{key}"="{value}"' for key, value in SPARK_CONF.items()) + "}",
    "feed.threads=1",
    "train.rounds=3",
    "factorize.rank=8",
    "user_encoder.hidden=[16]",
    "user_encoder.fit.first_epochs=2",
    "user_encoder.fit.epochs=1",
    "item_encoder.embedding_size=16",
    "item_encoder.filters=8",
    "item_encoder.hidden=16",
    "item_encoder.fit.first_epochs=2",
    "item_encoder.fit.epochs=1",
    "evaluate.baselines=['popularity']",
    "report.enabled=false",
    # so little learning on so few ratings need not beat popularity, nor the night before
    "publish.gate.min_metric_gain=off",
    "publish.gate.max_metric_loss=off",
]


def run_job(
    name: str, *arguments: str, check: bool = True, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """One job to its end; its log is shown where it failed."""
    done = subprocess.run(
        [python, f"jobs/{name}.py", *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=3600
    )
    if check:
        assert done.returncode == 0, f"{name} ended with {done.returncode}\n{done.stderr[-6000:]}"
    return done


def small_world(out: Path) -> Path:
    """Raw logs and crawl dumps of six days below a folder, for nights that are run many times."""
    sizes = ["--users", "120", "--items", "60", "--events", "3000", "--days", "6", "--seed", "5"]
    run_job("generate_world", *sizes, "--first-day", FIRST_DAY, "--out", str(out))
    return out


def submit_job(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same job by spark-submit, whose Java is there before Python is."""
    ensure_java()
    submit = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[2]", "--driver-memory", "2g"]
    # Spark takes another log place than the current folder for the metastore's log only at its start
    submit += ["--driver-java-options", JAVA]
    command = [*submit, f"jobs/{name}.py", *arguments]
    env = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=3600, env=env)
    assert done.returncode == 0, f"{name} ended with {done.returncode}\n{done.stderr[-6000:]}"
    return done


def night_arguments(world: Path, root: Path, ds: str, *extra: str, config: list[str] = CONFIG) -> list[str]:
    sets = [f"paths.data={world}", f"paths.root={root}", *SMALL, *extra]
    return [*config, *(part for item in sets for part in ("--set", item)), "--ds", ds]


def published(root: Path, table: str, ds: str) -> pd.DataFrame:
    """What a reader by path sees, without Spark."""
    manifest = json.loads((root / "published" / "_manifests" / f"{ds}.json").read_text())
    location = manifest["tables"][table]["location"]
    keys = ["item_id" if table == "similar_items" else "user_id", "position"]
    return pd.read_parquet(location).sort_values(keys, ignore_index=True)


def start_job(name: str, *arguments: str, log: Path, zone: str = "UTC") -> subprocess.Popen[bytes]:
    """Starts a job in its own process group, so that a kill takes Java and the workers along.

    Args:
        name: of the job.
        arguments: of the job.
        log: takes its standard error.
        zone: time zone of the driver's machine.
    """
    return subprocess.Popen(
        [sys.executable, f"jobs/{name}.py", *arguments],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=log.open("wb"),
        env={**os.environ, "TZ": zone},
        start_new_session=True,
    )


def kill_when(process: subprocess.Popen[bytes], log: Path, words: str, timeout: float = 600.0) -> None:
    """Kills the whole group with SIGKILL as soon as the log holds the words."""
    end = time.monotonic() + timeout
    while words not in log.read_text(errors="replace"):
        assert process.poll() is None, f"ended before {words!r}\n{log.read_text(errors='replace')[-4000:]}"
        assert time.monotonic() < end, f"never logged {words!r}"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def assert_same_lists(expected: pd.DataFrame, found: pd.DataFrame) -> None:
    """Two versions of one table, whichever runs wrote them."""
    keep = [name for name in expected.columns if name != "run_id"]
    pd.testing.assert_frame_equal(expected[keep], found[keep], rtol=TOLERANCE, atol=TOLERANCE)
