"""The shared session itself: its workers see the package and own one core each."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import SparkSession

from bgmrec.session import ARROW_BATCH, PARQUET_BATCH, arrow_batch


def _worker_facts(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    import bgmrec

    for _ in batches:
        yield pd.DataFrame({"package": [bgmrec.__file__], "threads": [os.environ.get("OMP_NUM_THREADS", "")]})


def test_workers_import_the_package_and_pin_their_threads(spark: SparkSession) -> None:
    import bgmrec

    rows = spark.range(1).mapInPandas(_worker_facts, "package string, threads string").collect()
    assert [(row.package, row.threads) for row in rows] == [(bgmrec.__file__, "1")]


def test_the_session_reads_days_as_utc(spark: SparkSession) -> None:
    [row] = spark.sql("select unix_timestamp(timestamp '2025-03-01 00:00:00') as seconds").collect()
    assert row.seconds == 1_740_787_200  # date -u -d 2025-03-01 +%s


def test_blocks_move_a_few_at_a_time_and_narrow_rows_as_before(spark: SparkSession) -> None:
    names = (ARROW_BATCH, PARQUET_BATCH)
    before = [spark.conf.get(name) for name in names]
    with arrow_batch(spark, 4):
        assert [spark.conf.get(name) for name in names] == ["4", "4"]
        with arrow_batch(spark, 10_000):  # the reader's own bound is never raised
            assert [spark.conf.get(name) for name in names] == ["10000", "4"]
    assert [spark.conf.get(name) for name in names] == before
