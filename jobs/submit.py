"""Gives a job to a Spark cluster: prints the exact spark-submit command, then runs it.

`make package` makes what is shipped: the environment (archive of a virtual environment with bgmrec and all that it
needs) and the job files. [submit.standalone], [submit.yarn] and [submit.kubernetes] say where each kind of cluster
is asked and where the driver runs; their conf goes over [spark.conf]. With a driver on the cluster the settings
files are shipped, too. The machines need Java 17 and the Python that packed the archive, and a file system that all
of them reach: paths.root and paths.data are URIs, or absolute paths of a mounted one.

All further arguments are those of the job. The exit status is spark-submit's: the job's own where the driver runs
here.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bgmrec.command import add_ds, arg_parser, guarded, progress_for
from bgmrec.config import Settings, load_settings
from bgmrec.errors import InputError
from bgmrec.java import ensure_java
from bgmrec.run import STAGES
from bgmrec.submit import TARGETS, JobArguments, submit_command

JOBS = Path(__file__).parent


def spark_submit() -> str:
    """The one of this interpreter's pyspark, else the one on PATH."""
    own = Path(sys.executable).parent / "spark-submit"
    return str(own) if own.exists() else shutil.which("spark-submit") or "spark-submit"


def run_command(settings: Settings, command: Sequence[str]) -> int:
    """Runs spark-submit to its end."""
    for path in (settings.submit.environment, settings.submit.jobs):
        if "://" not in path and not Path(path).exists():
            raise InputError("nothing to ship", where=path, expected="an archive", cure="make package")
    ensure_java()
    # the script looks for Spark by this Python; what runs the driver and the workers is told by the command itself
    env = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    env.pop("PYSPARK_DRIVER_PYTHON", None)
    return subprocess.run(command, env=env, check=False).returncode


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("submit", __doc__)
    add_ds(parser)
    parser.add_argument("--target", choices=TARGETS, required=True, help="kind of cluster")
    parser.add_argument("--job", choices=("nightly", *STAGES), default="nightly", help="by default nightly")
    parser.add_argument("--dry-run", action="store_true", help="only print the command")
    given = parser.parse_args(argv)
    progress_for(given.log_format)
    status = 0

    def body() -> None:
        nonlocal status
        settings = load_settings(given.config, given.overrides)
        job = JobArguments(JOBS / f"{given.job}.py", given.config, given.overrides, given.ds, given.log_format)
        command = submit_command(settings, given.target, job, spark_submit=spark_submit())
        print(shlex.join(command), flush=True)
        if not given.dry_run:
            status = run_command(settings, command)

    return guarded(body) or status


if __name__ == "__main__":
    sys.exit(main())
