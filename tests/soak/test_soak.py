"""Two weeks of nights in a row, each a process of its own: drift, new users and music, late events, reruns, retention.

After them comes a night whose log has lost nearly everything: the gate keeps it from the readers.

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
from pathlib import Path
from statistics import median

import pandas as pd
import pytest

from bgmrec.errors import EXIT_QUALITY_GATE
from tests.e2e.nights import night_arguments, published, run_job
from tests.faults.readers import polling

NIGHTS = int(os.environ.get("NIGHTS", "14"))
BEFORE = 2  # days of the log before the first night
FIRST = date(2025, 1, 1)
LATE_SHARE = 0.1  # of a day's rows come a day late
RERUN_EVERY = 4  # nights; a night is made again at once, and the one before it, too
SEED = 7
KEEP = {"published_days": 4, "unreferenced_days": 1, "work_days": 1, "summary_days": 6}  # short: much to remove
LEFT_ROWS = 15  # of each day of the log in the night that the gate refuses
GROWTH = 1.5  # the last third against the second one; a night of a loaded machine is no measure for less


@dataclass(frozen=True)
class Night:
    """What one night cost and left."""

    ds: str
    rerun: bool
    seconds: float
    megabytes: float
    disk_bytes: int
    users: int
    run_id: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    days = BEFORE + NIGHTS + 1  # the last one is of the night that the gate refuses
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

    def break_off(self, day: date) -> None:
        """Delivers one more day, and of each day only the first rows."""
        self.day(day)
        for path in (self.data / "events").glob("ds=*/events.txt"):
            rows = path.read_text().splitlines(keepends=True)
            path.write_text("".join(rows[:LEFT_ROWS]))
            path.with_name("late.txt").unlink(missing_ok=True)

    def _write(self, day: date, *, late: bool) -> None:
        chance = random.Random(f"{SEED} {day}")
        parts = sorted((self.world / f"events/ds={day}").glob("part-*"))
        rows = [line for part in parts for line in part.read_text().splitlines(keepends=True)]
        chosen = [line for line in rows if (chance.random() < LATE_SHARE) == late]
        folder = self.data / f"events/ds={day}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ("late.txt" if late else "events.txt")).write_text("".join(chosen))


def nights(source_tables: Delivery, root: Path) -> Iterator[Night]:
    """Every night, and its reruns."""
    source_tables.begin()
    for number in range(BEFORE):
        source_tables.day(_day(number - BEFORE))
    for number in range(NIGHTS):
        source_tables.day(_day(number))
        yield _night(source_tables.data, root, _day(number), rerun=False)
        if number and number % RERUN_EVERY == 0:
            yield _night(source_tables.data, root, _day(number - 1), rerun=True)
            yield _night(source_tables.data, root, _day(number), rerun=True)


def _day(number: int) -> date:
    """Of the night with this number, from 0."""
    return FIRST + timedelta(days=BEFORE + number)


def _night(data: Path, root: Path, day: date, *, rerun: bool) -> Night:
    began = time.monotonic()
    with polling(root, str(day)):
        done = run_job("nightly", *_arguments(data, root, day))
    summary = json.loads(Path(done.stdout.strip().splitlines()[-1].removeprefix("file:")).read_text())
    seconds, users = time.monotonic() - began, published(root, "recommendations", str(day))["user_id"].nunique()
    if not rerun:
        run_job("retain", *_arguments(data, root, day))
    night = Night(
        str(day),
        rerun,
        round(seconds, 1),
        max(summary["peak_memory_mb"].values()),
        _bytes_below(root),
        users,
        summary["run_id"],
    )
    print(night, flush=True)
    return night


def _arguments(data: Path, root: Path, day: date) -> list[str]:
    keep = [f"retention.{name}={days}" for name, days in KEEP.items()]
    return night_arguments(data, root, str(day), "factorize.rank=8", *keep)


def _bytes_below(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def _index(root: Path, run_id: str, side: str) -> pd.Series:
    table = pd.read_parquet(root / "models" / run_id / f"{side}_index")
    return table.set_index(f"{side}_id")[f"{side}_idx"].sort_index()


def _index_only_grows(root: Path, earlier: str, later: str) -> None:
    """Every id of the earlier run has its number still, and there are no gaps."""
    for side in ("user", "item"):
        before, after = _index(root, earlier, side), _index(root, later, side)
        pd.testing.assert_series_equal(before, after[before.index], check_names=False)
        assert sorted(after) == list(range(len(after)))


def _grew(values: list[float]) -> float:
    """The last third of the nights against the third before it; the first ones are cold."""
    third = max(len(values) // 3, 1)
    return median(values[-third:]) / median(values[third : 2 * third] or values[:third])


def test_two_weeks_of_nights(world: Path, tmp_path: Path) -> None:
    data, root = tmp_path / "data", tmp_path / "root"
    data.mkdir()
    source_tables, first = Delivery(world, data), list[Night]()
    for night in nights(source_tables, root):
        if night.rerun:
            continue
        if first:
            _index_only_grows(root, first[-1].run_id, night.run_id)
        first.append(night)
    assert len(first) == NIGHTS
    assert first[-1].users > first[0].users, "nobody new was served"
    rows = first[-1].users / first[len(first) // 2].users  # what there is to do grows a little, too
    assert _grew([night.seconds for night in first]) < GROWTH * rows
    assert _grew([night.megabytes for night in first]) < GROWTH
    assert _grew([float(night.disk_bytes) for night in first]) < GROWTH * rows
    dates = sorted(path.stem for path in (root / "published/_manifests").glob("20*.json"))
    assert dates == [str(_day(number)) for number in range(max(NIGHTS - KEEP["published_days"], 0), NIGHTS)]
    _the_gate_refuses_a_log_that_broke_off(source_tables, root)


def _the_gate_refuses_a_log_that_broke_off(source_tables: Delivery, root: Path) -> None:
    day, before = _day(NIGHTS), (root / "published/_manifests/latest.json").read_text()
    source_tables.break_off(day)
    refused = run_job("nightly", *_arguments(source_tables.data, root, day), check=False)
    assert refused.returncode == EXIT_QUALITY_GATE, refused.stderr[-4000:]
    print(refused.stderr[-1500:], flush=True)
    assert (root / "published/_manifests/latest.json").read_text() == before
    assert not (root / f"published/_manifests/{day}.json").exists()
