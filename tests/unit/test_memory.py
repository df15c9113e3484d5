"""Memory of a process tree: what a child holds counts, what it shares with its parent counts once."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

from bgmrec.memory import INTERVAL, tree_memory, watched

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
    assert 200 <= (during - before) / MB < 260
    assert (tree_memory(psutil.Process()).bytes - before) / MB < 60


def test_the_peak_outlives_what_held_it():
    with watched() as peak:
        child = holding_child()
        time.sleep(3 * INTERVAL)
        child.communicate()
    assert peak.bytes - tree_memory(psutil.Process()).bytes > 150 * MB
