"""Which runs the report compares: as many as `report.runs` says, the report's own run included."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from bgmrec.report.facts.gather import runs

DATES = ["2025-01-01", "2025-01-02", "2025-01-03", "2025-01-04", "2025-01-05"]
VERSION = {"bgmrec": "1"}


def run_of(count: int) -> Any:
    """A run of the last date, with a report of every earlier one."""
    facts = {"run": {"versions": VERSION, "ds": "2025-01-04"}, "data": {"of": "the run before"}}
    return SimpleNamespace(
        ds=date.fromisoformat(DATES[-1]),
        run_id=f"{DATES[-1]}-001",
        settings=SimpleNamespace(report=SimpleNamespace(runs=count)),
        versions=SimpleNamespace(dates=lambda: DATES, manifest=lambda ds: {"run_id": f"{ds}-001"}),
        root=SimpleNamespace(
            read_json=lambda name: {"metrics": {"bgmrec": {"rmse": 0.9}}, "seconds": {}},
            below=lambda name: SimpleNamespace(below=lambda run_id: SimpleNamespace(read_json=lambda name: facts)),
        ),
    )


@pytest.mark.parametrize(("count", "expected"), [(1, DATES[-1:]), (2, DATES[-2:]), (4, DATES[-4:]), (30, DATES)])
def test_the_course_has_as_many_runs_as_the_setting_says(count: int, expected: list[str]) -> None:
    found = runs(run_of(count), {"metrics": {}, "seconds": {}, "versions": VERSION})
    assert [row["ds"] for row in found["course"]] == expected


@pytest.mark.parametrize("count", [1, 2])
def test_data_are_compared_with_the_run_before_whatever_the_length_of_the_course(count: int) -> None:
    found = runs(run_of(count), {"metrics": {}, "seconds": {}, "versions": VERSION})
    assert found["before"]["data"] == {"of": "the run before"}
