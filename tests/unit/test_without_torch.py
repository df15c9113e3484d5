"""Jobs start where Torch is not installed: the stages before training need none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name=name)

sys.meta_path.insert(0, Absent())
import bgmrec.stages
for module in pkgutil.iter_modules(bgmrec.stages.__path__):
    importlib.import_module(f"bgmrec.stages.{module.name}")
"""


def test_all_stages_can_be_imported() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
