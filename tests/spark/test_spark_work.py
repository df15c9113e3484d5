"""Spark's work for a block of code is counted, with spilled bytes and failed attempts."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.errors import PythonException
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as f

from bgmrec.runtime.spark_work import counted

SPILL = "spark.sql.windowExec.buffer.spill.threshold"


def test_tasks_and_bytes_are_those_of_the_block_alone(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(100_000).repartition(5).write.parquet(str(tmp_path / "rows"))
    files = sum(path.stat().st_size for path in (tmp_path / "rows").glob("*.parquet"))
    with counted(spark) as nothing:
        pass
    assert nothing.tasks == nothing.input_bytes == 0
    with counted(spark) as work:
        spark.read.parquet(str(tmp_path / "rows")).repartition(3).foreach(lambda _: None)
    assert work.tasks > 3 and work.failed_tasks == 0 and work.task_seconds > 0
    assert 0 < work.input_bytes <= 2 * files and work.shuffle_bytes > 0
    assert work.spilled_bytes == work.spilled_memory_bytes == 0


def test_what_does_not_fit_spills(spark: SparkSession) -> None:
    before = spark.conf.get(SPILL)
    spark.conf.set(SPILL, "50")  # rows; as if memory were full after them
    try:
        whole = Window.partitionBy(f.lit(1)).rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
        with counted(spark) as work:
            spark.range(5000).withColumn("last", f.last("id").over(whole)).agg(f.sum("last")).collect()
    finally:
        spark.conf.set(SPILL, str(before))
    assert work.spilled_bytes > 0 and work.spilled_memory_bytes > 0


def test_failed_attempts_are_counted(spark: SparkSession) -> None:
    fails = f.udf(lambda n: 1 // n, "int")
    with counted(spark) as work, pytest.raises(PythonException, match="ZeroDivisionError"):
        spark.range(1).select(fails("id")).collect()
    assert work.failed_tasks >= 1
