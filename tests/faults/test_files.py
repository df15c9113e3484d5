"""Damaged and missing files, and a disk that is full: a clear error, its exit status, and what was published stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.e2e.nights import LAST_DAY, assert_same_lists, night_arguments, published, run_job
from tests.faults.conftest import LIGHT
from tests.faults.readers import TABLES


@pytest.fixture
def root(undisturbed: Path, tmp_path: Path) -> Path:
    """Something is published already, and the next night of the date is under way."""
    shutil.copytree(undisturbed, tmp_path / "root")
    return tmp_path / "root"


def refused(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    assert done.returncode == status, f"{done.returncode}\n{done.stderr[-4000:]}"
    for word in words:
        assert word in done.stderr, done.stderr[-4000:]
    assert "ERROR   unexpected" not in done.stderr


def unchanged(undisturbed: Path, root: Path) -> None:
    for table in TABLES:
        before, after = (published(folder, table, LAST_DAY) for folder in (undisturbed, root))
        pd.testing.assert_frame_equal(before, after)


def test_a_truncated_table_is_named_and_made_again_by_its_stage(world: Path, undisturbed: Path, root: Path) -> None:
    """As a machine leaves it that lost its power before the file was on its disk."""
    part = max((root / "work" / f"ds={LAST_DAY}" / "ratings_split").glob("part-*.parquet"), key=os.path.getsize)
    os.truncate(part, os.path.getsize(part) // 2)
    part.with_name(f".{part.name}.crc").unlink()
    arguments = night_arguments(world, root, LAST_DAY, *LIGHT)
    refused(run_job("recommend", *arguments, check=False), 3, "ratings_split", part.name, "hint")
    unchanged(undisturbed, root)
    run_job("build_features", *arguments)  # which is what the error advises
    resumed = run_job("nightly", *arguments)
    assert "build_features: resumed" in resumed.stderr
    for table in TABLES:
        assert_same_lists(published(undisturbed, table, LAST_DAY), published(root, table, LAST_DAY))


def test_a_damaged_log_is_named(world: Path, undisturbed: Path, root: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(world, data)
    day = data / "events" / f"ds={LAST_DAY}"
    part = max(day.glob("part-*"), key=os.path.getsize)
    for other in day.glob(".*.crc"):
        other.unlink()
    subprocess.run(["gzip", str(part)], check=True)
    packed = part.with_name(f"{part.name}.gz")
    os.truncate(packed, os.path.getsize(packed) // 2)
    done = run_job("nightly", *night_arguments(data, root, LAST_DAY, *LIGHT), check=False)
    refused(done, 3, packed.name, "raw files cannot be read")
    unchanged(undisturbed, root)


def test_a_missing_day_is_named(world: Path, undisturbed: Path, root: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(world, data)
    shutil.rmtree(data / "events" / "ds=2025-01-04")
    strict = 'ratings.sources=[{name="events",format="jsonl",paths=["{data}/events/ds={ds}"],lookback_days=6,'
    strict += 'user_id="user_id",item_id="video_id",rating="rating"}]'
    done = run_job("nightly", *night_arguments(data, root, LAST_DAY, *LIGHT, strict), check=False)
    refused(done, 3, "partitions of the window are missing", "2025-01-04")
    unchanged(undisturbed, root)


def test_a_full_disk_ends_the_night_and_with_room_it_goes_on(world: Path, undisturbed: Path, root: Path) -> None:
    """A file system of 256 KB under the working tables; where one may mount it."""
    work = root / "work"
    shutil.rmtree(work)
    work.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(work)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    arguments = night_arguments(world, root, LAST_DAY, *LIGHT)
    try:
        refused(run_job("nightly", *arguments, check=False), 8, "no space is left", str(work))
        unchanged(undisturbed, root)
        subprocess.run(["mount", "-o", "remount,size=512m", str(work)], check=True)
        run_job("nightly", *arguments)
    finally:
        subprocess.run(["umount", str(work)], check=True)
    for table in TABLES:
        assert_same_lists(published(undisturbed, table, LAST_DAY), published(root, table, LAST_DAY))
