"""The driver is killed again and again, all over the night; the same command ends in the same tables each time."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.e2e.nights import LAST_DAY, assert_same_lists, night_arguments, published, run_job, start_job
from tests.faults.conftest import LIGHT
from tests.faults.readers import TABLES, polling

KILLS = 10
SEED = 20250106


def moments(root: Path) -> list[Path]:
    """What a whole night leaves behind, in the order in which it was written: tables, documents, weights."""
    marks = [*root.rglob("_SUCCESS"), *root.rglob("*.json"), *root.rglob("*.safetensors")]
    marks = [mark for mark in marks if "_locks" not in mark.parts and "summaries" not in mark.parts]
    return [mark.relative_to(root) for mark in sorted(marks, key=lambda mark: mark.stat().st_mtime_ns)]


def spread_out(written: list[Path], n: int, chance: random.Random) -> list[Path]:
    """One of each n-th part of the night, from its first half: the kill before must not reach it."""
    size = len(written) / n
    return [written[int(size * (part + chance.uniform(0.0, 0.5)))] for part in range(n)]


def test_ten_kills_over_a_night_leave_the_same_tables_and_readers_see_nothing_half(
    world: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """Every kill lies a little after something that the night writes, drawn by chance; the last two at the switch."""
    root = tmp_path / "root"
    shutil.copytree(undisturbed, root)  # readers have a version from the beginning
    arguments = night_arguments(world, root, LAST_DAY, *LIGHT)
    chance = random.Random(SEED)
    written = [mark for mark in moments(undisturbed) if mark.parts[0] in ("work", "models")]
    marks = spread_out(written, KILLS - 2, chance)
    marks += [Path(f"published/similar_items/ds={LAST_DAY}"), Path(f"published/_manifests/{LAST_DAY}.json")]
    resumed = 0
    with polling(root, LAST_DAY) as reader:
        for number, mark in enumerate(marks):
            log = tmp_path / f"{number}.log"
            process = start_job("nightly", *arguments, log=log)
            killed = kill_after(process, root, str(mark).replace("-001", "-*"), chance.uniform(0.0, 0.3))
            resumed += "finished before the interruption" in log.read_text(errors="replace")
            assert killed, f"the night ended before {mark} was written\n{log.read_text(errors='replace')[-3000:]}"
        last = run_job("nightly", *arguments)
    assert resumed >= KILLS // 2, "stages that were finished were repeated"
    assert "taking over from a dead run" in last.stderr
    assert reader.polls > KILLS and len(reader.runs) in (2, 3)
    for table in TABLES:
        assert_same_lists(published(undisturbed, table, LAST_DAY), published(root, table, LAST_DAY))


def kill_after(
    process: subprocess.Popen[bytes], root: Path, mark: str, seconds: float, timeout: float = 1800.0
) -> bool:
    """Kills the process group a little after something new was written; false where it ended before."""
    began, end = time.time_ns(), time.monotonic() + timeout
    while not any(_written(path) > began for path in root.glob(mark)):
        if process.poll() is not None:
            return False
        assert time.monotonic() < end, f"{mark} was never written"
        time.sleep(0.01)
    time.sleep(seconds)
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def test_of_one_night_started_twice_the_second_is_refused_and_the_first_may_be_in_auckland(
    world: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """Auckland is thirteen hours ahead of UTC: its day is another one than the log's for most of the time."""
    arguments = night_arguments(world, tmp_path, LAST_DAY, *LIGHT)
    log = tmp_path / "first.log"
    first = start_job("nightly", *arguments, log=log, zone="Pacific/Auckland")
    try:
        while "ingest_ratings" not in log.read_text(errors="replace"):
            assert first.poll() is None, log.read_text(errors="replace")[-3000:]
            time.sleep(0.2)
        second = run_job("nightly", *arguments, check=False)
        assert second.returncode == 7, second.stderr[-3000:]
        assert "another run is at work on the same logical date" in second.stderr
        assert f"process {first.pid} of" in second.stderr
        assert first.wait(timeout=1800) == 0, log.read_text(errors="replace")[-3000:]
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    for table in TABLES:
        assert_same_lists(published(undisturbed, table, LAST_DAY), published(tmp_path, table, LAST_DAY))


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # the night may be replacing it
        return 0
