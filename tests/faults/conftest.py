"""One small world and one undisturbed night, with which every disturbed one is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.nights import LAST_DAY, night_arguments, run_job, small_world

# rounds to be interrupted between; encoders cost most of a small night, and test_machines.py has one
LIGHT = ("train.rounds=2", "user_encoder.kind=none", "item_encoder.kind=none")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def undisturbed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed")
    run_job("nightly", *night_arguments(world, root, LAST_DAY, *LIGHT))
    return root
