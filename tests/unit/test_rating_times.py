"""Which misread unit explains times far from the logical date."""

from __future__ import annotations

from datetime import date

import pytest

from bgmrec.ingest.rating_times import misread_unit

DS = date(2025, 3, 14)
AT = 1741860000.0  # 2025-03-13 10:00:00


@pytest.mark.parametrize(
    ("factor", "cause"),
    [
        (1e-3, "seconds read as milliseconds or milliseconds read as microseconds or microseconds read as nanoseconds"),
        (1e-6, "seconds read as microseconds or milliseconds read as nanoseconds"),
        (1e-9, "seconds read as nanoseconds"),
        (1e3, "milliseconds read as seconds or microseconds read as milliseconds or nanoseconds read as microseconds"),
        (1e6, "microseconds read as seconds or nanoseconds read as milliseconds"),
        (1e9, "nanoseconds read as seconds"),
    ],
)
def test_the_unit_is_named(factor, cause):
    assert misread_unit(AT * factor, DS) == cause


@pytest.mark.parametrize("seconds", [0.0, 8.5e8, 4e9])
def test_old_logs_are_no_misread_unit(seconds):
    assert misread_unit(seconds, DS) == ""
