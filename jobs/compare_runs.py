"""Compares the metrics of two nights of one date, for example one with side information and one without.

Reads metrics.json beside the working tables of both; the first night's settings and --ds say which.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.stages.compare_runs import compare


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("compare_runs", __doc__)
    add_ds(parser)
    parser.add_argument("--with-root", required=True, metavar="DIR", help="paths.root of the second night")
    parser.add_argument("--names", nargs=2, default=("first", "second"), metavar="NAME", help="heads of the columns")
    return run_command(parser, compare, argv)


if __name__ == "__main__":
    sys.exit(main())
