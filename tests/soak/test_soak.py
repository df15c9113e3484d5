"""Two weeks of nights in a row, each a process of its own: drift, new users and music, late events, reruns.

`make soak` prints a line per night; NIGHTS=5 makes it shorter.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pandas as pd
import pytest

from tests.e2e.nights import night_arguments, published, run_job
from tests.faults.readers import polling

NIGHTS = int(os.environ.get("NIGHTS", "14"))
BEFORE = 2  # days of the log before the first night
FIRST = date(2025, 1, 1)
LATE_SHARE = 0.1  # of a day's rows come a day late
RERUN_EVERY = 4  # nights; a night is made again at once, and the one before it, too
SEED = 7
GROWTH = 1.5  # the last third against the second one; a night of a loaded machine is no measure for less


@dataclass(frozen=True)
class Night:
    """What one night cost and left."""

    ds: str
    rerun: bool
    seconds: float
    megabytes: float
    bytes_left: int
    users: int


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    days = NIGHTS + BEFORE
    sizes = ["--users", "300", "--items", "120", "--events", str(1000 * days), "--days", str(days), "--seed", str(SEED)]
    shares = ["--set", "world.new_user_share=0.4", "--set", "world.new_item_share=0.3"]
    run_job("generate_world", *sizes, *shares, "--first-day", str(FIRST), "--out", str(out))
    return out


@dataclass(frozen=True)
class Delivery:
    """The log as it comes in: a day's file lacks what comes late, until the next day's is there."""

    world: Path
    data: Path

    def begin(self) -> None:
        for name in ("videos", "crawl"):
            shutil.copytree(self.world / name, self.data / name)

    def day(self, day: date) -> None:
        """Delivers a day without its late rows, and the late ones of the day before."""
        self._write(day, late=False)
        if day > FIRST:
            self._write(day - timedelta(days=1), late=True)

    def _write(self, day: date, *, late: bool) -> None:
        chance = random.Random(f"{SEED} {day}")
        parts = sorted((self.world / f"events/ds={day}").glob("part-*"))
        rows = [line for part in parts for line in part.read_text().splitlines(keepends=True)]
        chosen = [line for line in rows if (chance.random() < LATE_SHARE) == late]
        folder = self.data / f"events/ds={day}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ("late.txt" if late else "events.txt")).write_text("".join(chosen))


def nights(world: Path, data: Path, root: Path) -> Iterator[Night]:
    """Every night, and its reruns."""
    delivery = Delivery(world, data)
    delivery.begin()
    for number in range(BEFORE):
        delivery.day(FIRST + timedelta(days=number))
    for number in range(NIGHTS):
        day = FIRST + timedelta(days=BEFORE + number)
        delivery.day(day)
        yield _night(data, root, day, rerun=False)
        if number and number % RERUN_EVERY == 0:
            yield _night(data, root, day - timedelta(days=1), rerun=True)
            yield _night(data, root, day, rerun=True)


def _night(data: Path, root: Path, day: date, *, rerun: bool) -> Night:
    began, before = time.monotonic(), _bytes_below(root)
    with polling(root, str(day)):
        done = run_job("nightly", *night_arguments(data, root, str(day), "factorize.rank=8"))
    summary = json.loads(Path(done.stdout.strip().splitlines()[-1].removeprefix("file:")).read_text())
    night = Night(
        str(day),
        rerun,
        round(time.monotonic() - began, 1),
        max(summary["peak_memory_mb"].values()),
        _bytes_below(root) - before,
        published(root, "recommendations", str(day))["user_id"].nunique(),
    )
    print(night, flush=True)
    return night


def _bytes_below(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def _index(root: Path, run_id: str, side: str) -> pd.Series:
    table = pd.read_parquet(root / "models" / run_id / f"{side}_index")
    return table.set_index(f"{side}_id")[f"{side}_idx"].sort_index()


def _grew(values: list[float]) -> float:
    """The last third of the nights against the third before it; the first ones are cold."""
    third = max(len(values) // 3, 1)
    return median(values[-third:]) / median(values[third : 2 * third] or values[:third])


def test_two_weeks_of_nights(world: Path, tmp_path: Path) -> None:
    data, root = tmp_path / "data", tmp_path / "root"
    data.mkdir()
    made = list(nights(world, data, root))
    first = [night for night in made if not night.rerun]
    assert len(first) == NIGHTS
    assert first[-1].users > first[0].users, "nobody new was served"
    rows = first[-1].users / first[len(first) // 2].users  # what there is to do grows a little, too
    assert _grew([night.seconds for night in first]) < GROWTH * rows
    assert _grew([night.megabytes for night in first]) < GROWTH
    assert _grew([float(night.bytes_left) for night in first]) < GROWTH * rows
    runs = [json.loads((root / f"published/_manifests/{night.ds}.json").read_text())["run_id"] for night in first]
    for side in ("user", "item"):
        for earlier, later in pairwise(runs):
            before, after = _index(root, earlier, side), _index(root, later, side)
            pd.testing.assert_series_equal(before, after[before.index], check_names=False)
            assert sorted(after) == list(range(len(after)))
