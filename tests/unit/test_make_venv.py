"""The set-up by `make venv`: which Python it takes, and what it says before it fetches CUDA."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
FAKE_PYTHON = """#!/bin/sh
case "$*" in
"-c import sys"*) echo {version} ;;
"-c import ensurepip"*) exit {without_venv} ;;
"-m venv"*) mkdir -p "$4/bin" && cp "{pip}" "$4/bin/python" ;;
esac
"""
FAKE_PIP = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
"-m pip --version") ;;
"-m pip show"*) exit 1 ;;
"-m pip index"*) echo "torch (2.15.0)"; echo "Available versions: {builds}" ;;
esac
"""


class Machine:
    """A PATH with Pythons that do nothing but say their version, and a pip that sees some builds of Torch."""

    def __init__(self, folder: Path, builds: str = "2.14.0, 2.13.0+cpu, 2.13.0"):
        self.folder, self.log = folder, folder / "log"
        (folder / "bin").mkdir()
        self._write(folder / "pip", FAKE_PIP.format(log=self.log, builds=builds))
        for tool in ("sh", "cp", "mkdir", "sed", "grep", "uname"):
            (folder / "bin" / tool).symlink_to(f"/bin/{tool}")

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def has(self, name: str, version: str, without_venv: int = 0) -> Machine:
        fake = FAKE_PYTHON.format(version=version, without_venv=without_venv, pip=self.folder / "pip")
        self._write(self.folder / "bin" / name, fake)
        return self

    def set_up(self, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": str(self.folder / "bin"), **variables}
        command = ["sh", PROJECT / "conf/make_venv.sh", self.folder / "venv", "conf/constraints.txt", "-e", "."]
        return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_newest_supported_python_is_taken(machine: Machine) -> None:
    done = machine.has("python3.11", "3.11").has("python3.12", "3.12").has("python3", "3.14").set_up()
    assert done.returncode == 0, done.stderr
    assert f"with {machine.folder}/bin/python3.12, Python 3.12" in done.stdout
    assert machine.log.read_text().splitlines()[-1] == "-m pip install --quiet --use-pep517 -e ."


def test_a_python_without_venv_gives_way(machine: Machine) -> None:
    done = machine.has("python3.13", "3.13", without_venv=1).has("python", "3.11").set_up()
    assert done.returncode == 0 and "bin/python, Python 3.11" in done.stdout


def test_python_overrides(machine: Machine) -> None:
    machine.has("python3.13", "3.13").has("mine", "3.11").has("old", "3.10")
    assert "bin/mine, Python 3.11" in machine.set_up(PYTHON="mine").stdout
    (machine.folder / "venv/bin/python").unlink()
    done = machine.set_up(PYTHON="old")
    assert done.returncode == 1 and "old is 3.10" in done.stderr


def test_unsupported_ones_are_named(machine: Machine) -> None:
    done = machine.has("python3", "3.10").has("python3.12", "3.12", without_venv=1).set_up()
    assert done.returncode == 1
    assert "python3.12 (3.12) has no venv; python3 is 3.10" in done.stderr and "make PYTHON=" in done.stderr


def test_cuda_is_announced_with_what_to_do(tmp_path: Path, machine: Machine) -> None:
    assert "CUDA" not in machine.has("python3", "3.13").set_up().stderr
    (tmp_path / "cuda").mkdir()
    machine = Machine(tmp_path / "cuda", builds="2.14.0, 2.13.0").has("python3", "3.13")
    assert len(lines := machine.set_up().stderr.splitlines()) == 1
    assert "more than 1 GB of CUDA" in lines[0] and "PIP_EXTRA_INDEX_URL" in lines[0]
