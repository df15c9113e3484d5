"""The --help of every job, as golden files: a changed option shows in the review.

Rebuild after a change: BGMREC_REBUILD_GOLDEN=1 .venv/bin/python -m pytest tests/e2e/test_help.py
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.e2e.nights import PROJECT

GOLDEN = PROJECT / "tests" / "golden" / "help"
JOBS = (
    "benchmark",
    "build_features",
    "compare_nights",
    "crawl_frontier",
    "crawl_side_info",
    "evaluate",
    "export_postgres",
    "export_redis",
    "generate_world",
    "ingest_ratings",
    "ingest_side_info",
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
def test_help_says_what_it_said(name: str) -> None:
    env = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, f"jobs/{name}.py", "--help"], cwd=PROJECT, capture_output=True, text=True, env=env, timeout=120
    )
    assert done.returncode == 0, done.stderr
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("BGMREC_REBUILD_GOLDEN"):
        golden.write_text(done.stdout)
    assert done.stdout == golden.read_text()


def test_every_job_has_its_golden_help() -> None:
    jobs = {path.stem for path in (PROJECT / "jobs").glob("*.py") if "__main__" in path.read_text()}
    assert jobs == set(JOBS)
