"""Memory of a process tree: that of children counts, and shared pages count once."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

from bgmrec.runtime import memory
from bgmrec.runtime.memory import INTERVAL, Memory, tree_memory, watched

MB = 2**20
HOLD = f"import sys; held = bytearray(b'x') * (200 * {MB}); print('ready', flush=True); sys.stdin.read()"


def holding_child():
    child = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_what_a_child_holds_counts():
    before = tree_memory(psutil.Process()).bytes
    child = holding_child()
    during = tree_memory(psutil.Process()).bytes
    child.communicate()
    # less what this process now shares with it: pages of the interpreter, which other processes may map, too
    assert 190 <= (during - before) / MB < 260
    assert (tree_memory(psutil.Process()).bytes - before) / MB < 60


def test_the_peak_outlives_what_held_it():
    with watched() as peak:
        child = holding_child()
        during = tree_memory(psutil.Process()).bytes
        until = time.monotonic() + 60
        while peak.bytes < during - 20 * MB and time.monotonic() < until:
            time.sleep(INTERVAL)
        child.communicate()
    assert peak.bytes - tree_memory(psutil.Process()).bytes > 150 * MB


def test_page_tables_are_walked_only_where_memory_has_grown(monkeypatch):
    looks, walks = [], []
    monkeypatch.setattr(memory, "INTERVAL", 0.02)
    monkeypatch.setattr(memory, "_resident_bytes", lambda process: looks.append(process) or 100 * MB)
    monkeypatch.setattr(memory, "tree_memory", lambda process: walks.append(process) or Memory(90 * MB))
    with watched() as peak:
        while len(looks) < 10:
            time.sleep(0.02)
        before = len(walks)
        monkeypatch.setattr(memory, "_resident_bytes", lambda process: looks.append(process) or 200 * MB)
        while len(looks) < 20:
            time.sleep(0.02)
    assert before == 1 and len(walks) == 2
    assert peak.bytes == 90 * MB


def test_a_child_that_is_just_starting_hides_nothing_that_grows_later(monkeypatch):
    """Between fork and exec it shares all pages of its parent: resident twice, used once."""
    resident, walks = iter([200 * MB, 100 * MB, 100 * MB]), []
    monkeypatch.setattr(memory, "INTERVAL", 0.02)
    monkeypatch.setattr(memory, "_resident_bytes", lambda process: next(resident, 150 * MB))
    monkeypatch.setattr(memory, "tree_memory", lambda process: walks.append(process) or Memory(90 * len(walks) * MB))
    with watched() as peak:
        until = time.monotonic() + 60
        while len(walks) < 2 and time.monotonic() < until:
            time.sleep(0.02)
    assert peak.bytes == 180 * MB
