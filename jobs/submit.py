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

import sys
from collections.abc import Sequence
from pathlib import Path

from bgmrec.runtime.command import arg_parser, run_command
from bgmrec.stages.submit import add_arguments, submit


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("submit", __doc__)
    add_arguments(parser)
    parser.set_defaults(jobs=Path(__file__).parent)
    return run_command(parser, submit, argv)


if __name__ == "__main__":
    sys.exit(main())
