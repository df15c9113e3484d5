"""The tutorial of README.md: `make example` with an empty home, no Java on PATH and nothing else in the environment."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.nights import PROJECT, published

DS = "2025-03-14"
# the packages are installed already; make must not install them again
INSTALLED = ".venv/.bgmrec-installed"
METRICS = re.compile(r"^all +(?P<model>\w+) +\S+ +\S+ +\S+ +(?P<ndcg>\S+)", re.MULTILINE)


@pytest.fixture
def path_without_java(tmp_path: Path) -> str:
    """A PATH with all that this one finds, but for Java."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).glob("[!.]*") if Path(directory).is_dir() else ():
            link = folder / program.name
            if not program.name.startswith("java") and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


@pytest.mark.every_day
def test_make_example_prints_lists_with_titles(tmp_path: Path, path_without_java: str) -> None:
    (tmp_path / "home").mkdir()
    root = tmp_path / "root"
    command = ["make", "-o", INSTALLED, "example", f"EXAMPLE_SET=--set paths.root={root}"]
    env = {"HOME": str(tmp_path / "home"), "PATH": path_without_java, "LANG": "C.UTF-8"}
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-6000:]
    lists = published(root, "recommendations", DS)
    assert lists["user_id"].nunique() == 160 and lists["position"].max() == 20
    assert re.search(r"^ +\S.* 1\. +\d\.\d{3} +\S", done.stdout, re.MULTILINE), "a list with scores and titles"
    assert re.search("[\u4e00-\u9fff]", done.stdout), "Chinese titles"
    # what README.md says of it: the lists are better than the most popular tracks
    ndcg = {match["model"]: float(match["ndcg"]) for match in METRICS.finditer(done.stdout)}
    assert ndcg["bgmrec"] > 2 * ndcg["popularity"]
    assert len(list((root / "reports").glob("*.html"))) == 1
