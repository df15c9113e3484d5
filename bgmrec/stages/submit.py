"""Submits a job to a Spark cluster: prints the spark-submit command, then runs it."""

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
    """Path of spark-submit: the one of this interpreter's pyspark, else the one on PATH."""
    beside_python = Path(sys.executable).parent / "spark-submit"
    return str(beside_python) if beside_python.exists() else shutil.which("spark-submit") or "spark-submit"


def run_submit(settings: Settings, command: Sequence[str]) -> int:
    """Runs spark-submit until it ends; returns its exit status.

    Args:
        settings: of the job.
        command: of spark-submit, with its arguments.

    Raises:
        InputError: the archive to ship is missing.
    """
    path = settings.submit.environment
    if "://" not in path and not Path(path).exists():
        raise InputError(
            "the archive that the cluster needs is missing",
            where=f"submit.environment = {path}",
            expected="an archive of a virtual environment with bgmrec",
            found="no such file",
            hint="run `make package`, or correct submit.environment",
        )
    ensure_java()
    # spark-submit finds Spark through this Python; the command itself names the Python of driver and workers
    env = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    env.pop("PYSPARK_DRIVER_PYTHON", None)
    return subprocess.run(command, env=env, check=False).returncode


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of jobs/submit.py.

    Args:
        parser: of the job.
    """
    add_ds(parser)
    parser.add_argument("--target", choices=TARGETS, required=True, help="kind of the cluster")
    parser.add_argument(
        "--job", choices=("nightly", *STAGES), default="nightly", help="the job to submit (default: nightly)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the command, and do not run it")


def submit(arguments: Namespace, progress: Progress) -> int:
    """Prints the command and, unless it is a dry run, runs it; returns its exit status.

    Args:
        arguments: of jobs/submit.py.
        progress: of the job.
    """
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
