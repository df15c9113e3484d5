"""The shared session: its workers import the package and use one core each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from bgmrec.errors import EXIT_SETTINGS
from bgmrec.runtime.session import ARROW_BATCH, PARQUET_BATCH, arrow_batch

ROOT = Path(__file__).parents[2]


def _worker_facts(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    import bgmrec

    for _ in batches:
        yield pd.DataFrame({"package": [bgmrec.__file__], "threads": [os.environ.get("OMP_NUM_THREADS", "")]})


def test_workers_import_the_package_and_pin_their_threads(spark: SparkSession) -> None:
    import bgmrec

    rows = spark.range(1).mapInPandas(_worker_facts, "package string, threads string").collect()
    assert [(row.package, row.threads) for row in rows] == [(bgmrec.__file__, "1")]


def test_names_that_every_column_needs_are_looked_up_in_java_once(spark: SparkSession) -> None:
    java = spark.sparkContext._jvm
    assert java.functions is java.functions and java.org.apache.hadoop.fs.Path is java.org.apache.hadoop.fs.Path
    assert java.functions.lit(3).toString() == "3"


def test_the_session_reads_days_as_utc(spark: SparkSession) -> None:
    [row] = spark.sql("select unix_timestamp(timestamp '2025-03-01 00:00:00') as seconds").collect()
    assert row.seconds == 1_740_787_200  # date -u -d 2025-03-01 +%s


def test_blocks_move_a_few_at_a_time_and_narrow_rows_as_before(spark: SparkSession) -> None:
    names = (ARROW_BATCH, PARQUET_BATCH)
    before = [spark.conf.get(name) for name in names]
    with arrow_batch(spark, 4):
        assert [spark.conf.get(name) for name in names] == ["4", "4"]
        with arrow_batch(spark, 10_000):  # the bound of the reader is never raised
            assert [spark.conf.get(name) for name in names] == ["10000", "4"]
    assert [spark.conf.get(name) for name in names] == before


def test_settings_of_spark_submit_win_except_those_that_decide_values(tmp_path: Path) -> None:
    submitted = {
        "spark.sql.shuffle.partitions": "7",
        "spark.sql.session.timeZone": "Asia/Tokyo",
        "spark.eventLog.x": "site",
    }
    script = tmp_path / "job.py"
    script.write_text(
        "import json\n"
        "from bgmrec.config.runtime import SparkSettings\n"
        "from bgmrec.runtime.session import build_session\n"
        "conf = {'spark.eventLog.x': 'settings', 'spark.eventLog.y': 'settings'}\n"
        "spark = build_session(SparkSettings(master='local[2]', shuffle_partitions=4, conf=conf))\n"
        f"print(json.dumps([spark.conf.get(key) for key in {[*submitted, 'spark.eventLog.y', 'spark.master']}]))\n"
    )
    command = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[1]"]
    command += [part for key, value in submitted.items() for part in ("--conf", f"{key}={value}")]
    done = subprocess.run([*command, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["7", "UTC", "site", "settings", "local[1]"]


@pytest.mark.parametrize(
    ("listener", "status"),
    [
        ("org.apache.spark.scheduler.StatsReportListener", 0),  # one of Spark's own
        ("io.openlineage.spark.agent.OpenLineageSparkListener", EXIT_SETTINGS),
    ],
)
def test_a_listener_of_the_settings_is_used_and_a_missing_one_is_named(listener: str, status: int) -> None:
    """`conf/openlineage.toml` names one whose jar is not part of the project."""
    script = (
        "from bgmrec.runtime.command import guarded, progress_for\n"
        "from bgmrec.config import load_settings\n"
        "from bgmrec.config.runtime import SparkSettings\n"
        "from bgmrec.runtime.session import build_session\n"
        "conf = dict(load_settings(['conf/openlineage.toml'], []).spark.conf)\n"
        f"conf['spark.extraListeners'] = {listener!r}\n"
        "del conf['spark.jars.packages']\n"
        "progress_for('text')\n"
        "def body():\n"
        "    spark = build_session(SparkSettings(conf=conf))\n"
        "    assert spark.conf.get('spark.openlineage.namespace') == 'bgmrec'\n"
        "    spark.range(5).repartition(2).count()\n"
        "    spark.stop()\n"
        "raise SystemExit(guarded(body))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr
    if status:
        assert "Spark cannot load a listener" in done.stderr and f"ClassNotFoundException: {listener}" in done.stderr
        assert "spark.jars" in done.stderr
