"""The --help of every job, as golden files: a changed option shows in the review.

Rebuild after a change: BGMREC_REBUILD_GOLDEN=1 .venv/bin/python -m pytest tests/e2e/test_help.py
"""

from __future__ import annotations

import os
import runpy
import sys

import pytest

from tests.e2e.nights import PROJECT

GOLDEN = PROJECT / "tests" / "golden" / "help"
JOBS = (
    "benchmark",
    "build_features",
    "compare_runs",
    "crawl_frontier",
    "crawl_side_info",
    "dbt_files",
    "evaluate",
    "export_postgres",
    "export_redis",
    "generate_world",
    "ingest_ratings",
    "ingest_side_info",
    "new_config",
    "nightly",
    "recommend",
    "report",
    "retain",
    "rollback",
    "serve_site",
    "show",
    "study",
    "submit",
    "train",
    "tune",
)


@pytest.mark.parametrize("name", JOBS)
def test_help_says_what_it_said(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As a script, but in this process: the imports of each would take most of the time."""
    script = PROJECT / "jobs" / f"{name}.py"
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name="__main__")
    assert end.value.code == 0
    shown = capsys.readouterr().out
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("BGMREC_REBUILD_GOLDEN"):
        golden.write_text(shown)
    assert shown == golden.read_text()


def test_every_job_has_its_golden_help() -> None:
    jobs = {path.stem for path in (PROJECT / "jobs").glob("*.py") if "__main__" in path.read_text()}
    assert jobs == set(JOBS)
