"""Compares the metrics of two runs of the same date, for example with and without side information.

Reads metrics.json of both runs: of the first from paths.root of the settings, of the second from --with-root.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.stages.compare_runs import compare


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("compare_runs", __doc__)
    add_ds(parser)
    parser.add_argument("--with-root", required=True, metavar="DIR", help="paths.root of the second run")
    parser.add_argument(
        "--names", nargs=2, default=("first", "second"), metavar="NAME", help="names of the runs in the table"
    )
    return run_command(parser, compare, argv)


if __name__ == "__main__":
    sys.exit(main())
