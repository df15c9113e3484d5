"""Which misread unit explains times far from the logical date."""

from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import functions as f

from bgmrec.errors import InputError
from bgmrec.ingest.duplicates import SOURCE_POSITION
from bgmrec.ingest.rating_times import check_times, time_sums

DS = date(2025, 3, 14)
AT = 1741860000.0  # 2025-03-13 10:00:00


def _sums(spark, *seconds: float | None):
    values = spark.createDataFrame([(0, value) for value in seconds], f"{SOURCE_POSITION} int, seconds double")
    return time_sums(values.withColumn("rated_at", f.timestamp_seconds("seconds")), DS)


@pytest.mark.parametrize(
    ("factor", "cause"),
    [
        (1e-3, "seconds read as milliseconds or milliseconds read as microseconds or microseconds read as nanoseconds"),
        (1e-6, "seconds read as microseconds or milliseconds read as nanoseconds"),
        (1e-9, "seconds read as nanoseconds"),
        (1e3, "milliseconds read as seconds or microseconds read as milliseconds or nanoseconds read as microseconds"),
    ],
)
def test_the_unit_is_named(spark, factor, cause):
    with pytest.raises(InputError) as caught:
        check_times(_sums(spark, AT * factor, AT, AT), ["log"], 0.3, DS)
    assert caught.value.hint.startswith(f"{cause}:") and "1 of 3 times" in caught.value.found


def test_few_misread_times_are_a_warning(spark, caplog):
    check_times(_sums(spark, AT * 1e-3, AT, AT), ["log"], 0.4, DS)
    assert "1 of 3 times lie decades before the date, around 1970-01-21" in caplog.text


@pytest.mark.parametrize("seconds", [0.0, 8.5e8, 4e9])
def test_old_logs_are_no_misread_unit(spark, caplog, seconds):
    check_times(_sums(spark, seconds, None), ["log"], 0.0, DS)
    assert "1 of 1 times lie decades" in caplog.text and "check --ds" in caplog.text


def test_a_log_of_later_days_is_a_warning(spark, caplog):
    check_times(_sums(spark, AT, AT + 2 * 86_400, AT + 3 * 86_400), ["log"], 0.0, DS)
    assert "2 of 3 times are after the logical date 2025-03-14" in caplog.text
