"""Resolves the exact set of packages for one line of Spark, as pip would install it now: see `make constraints`.

It is run by the oldest supported Python: what has a release for that has one for newer ones. Releases that refuse its
first patch release are passed over: Debian 12 has Python 3.11.2, and some packages ask for 3.11.5.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

OLDEST_PYTHON = (3, 11)
FIRST_PATCH = "3.11.0"
PROJECT = Path(__file__).resolve().parent.parent
HEADER = """\
# The exact set that bgmrec is developed and tested with, for Spark {spark}: for pip's -c. Made by make constraints.
#
# torch is asked for as exactly one release, without the +cpu of PyTorch's own index: pip then takes a CPU build where
# the machine offers one (PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL). A range would skip it for a newer release, which
# brings gigabytes of CUDA libraries.
# pyspark comes as source: setuptools and wheel build it.
"""


def resolve(requirements: list[str]) -> dict[str, str]:
    """Versions by normalized name of all packages that pip would install into an empty environment.

    Args:
        requirements: as for pip install.
    """
    older: list[str] = []
    while True:
        found = _report([*requirements, *older])
        refusing = [one for one in found if FIRST_PATCH not in SpecifierSet(one.get("requires_python") or "")]
        if not refusing:
            break
        older += [_older(one["name"], one["version"]) for one in refusing]
    pinned = {re.sub(r"[-_.]+", "-", one["name"]).lower(): one["version"].split("+")[0] for one in found}
    del pinned["bgmrec"]
    return pinned


def _older(name: str, version: str) -> str:
    """The newest release below a version that runs on the first patch release."""
    binary = ["--no-deps", "--only-binary", ":all:", "--python-version", FIRST_PATCH, "--target", "unused"]
    return f"{name}=={_report([*binary, f'{name}<{version}'])[0]['version']}"


def _report(arguments: list[str]) -> list[dict[str, Any]]:
    """Metadata of what pip would install."""
    options = ["--dry-run", "--ignore-installed", "--quiet", "--disable-pip-version-check", "--report", "-"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [item["metadata"] for item in json.loads(done.stdout)["install"]]


def main() -> None:
    """Writes the set to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requirements", nargs="+", help="as for pip install; one names pyspark")
    if sys.version_info[:2] != OLDEST_PYTHON:
        parser.error(f"run by Python {sys.version.split()[0]}, not by the oldest supported one: run make distclean")
    pinned = resolve(parser.parse_args().requirements)
    lines = [f"{name}=={version}\n" for name, version in sorted(pinned.items())]
    sys.stdout.write(HEADER.format(spark=".".join(pinned["pyspark"].split(".")[:2])) + "".join(lines))


if __name__ == "__main__":
    main()
