"""Gives a job to a Spark cluster: prints the exact spark-submit command, then runs it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from bgmrec.config import Settings, load_settings
from bgmrec.errors import InputError
from bgmrec.run.state import STAGES
from bgmrec.runtime.command import add_ds, write_line
from bgmrec.runtime.java import ensure_java
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.submit import TARGETS, JobArguments, submit_command


def spark_submit() -> str:
    """The one of this interpreter's pyspark, else the one on PATH."""
    own = Path(sys.executable).parent / "spark-submit"
    return str(own) if own.exists() else shutil.which("spark-submit") or "spark-submit"


def run_submit(settings: Settings, command: Sequence[str]) -> int:
    """Runs spark-submit to its end."""
    path = settings.submit.environment
    if "://" not in path and not Path(path).exists():
        raise InputError("nothing to ship", where=path, expected="an archive", hint="make package")
    ensure_java()
    # the script looks for Spark by this Python; what runs the driver and the workers is told by the command itself
    env = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    env.pop("PYSPARK_DRIVER_PYTHON", None)
    return subprocess.run(command, env=env, check=False).returncode


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of the job."""
    add_ds(parser)
    parser.add_argument("--target", choices=TARGETS, required=True, help="kind of cluster")
    parser.add_argument("--job", choices=("nightly", *STAGES), default="nightly", help="by default nightly")
    parser.add_argument("--dry-run", action="store_true", help="only print the command")


def submit(arguments: Namespace, progress: Progress) -> int:
    """Prints the command and, unless it is a dry run, runs it; its exit status."""
    settings = load_settings(arguments.config, arguments.overrides)
    job = JobArguments(
        arguments.jobs / f"{arguments.job}.py",
        arguments.config,
        arguments.overrides,
        arguments.ds,
        arguments.log_format,
    )
    command = submit_command(settings, arguments.target, job, spark_submit=spark_submit())
    write_line(shlex.join(command))
    return 0 if arguments.dry_run else run_submit(settings, command)
