"""Submits a job to a Spark cluster: prints the exact spark-submit command, then runs it.

`make package` builds what is shipped: an archive of a virtual environment with bgmrec and its dependencies.
[submit.standalone], [submit.yarn] and [submit.kubernetes] hold the address of the cluster and where the driver runs;
their conf overrides [spark.conf]. If the driver runs on the cluster, the settings files are shipped too. The machines
need Java 17, the Python that packed the archive, and a shared file system: paths.root and paths.data are URIs, or
absolute paths of a mount.

All further arguments are those of the job. The exit status is spark-submit's, which is the job's own if the driver
runs on this machine.
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
