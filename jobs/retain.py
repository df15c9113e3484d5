"""Removes what is older than [retention] allows: published dates, models, working tables, summaries, mapped files.

Never goes: the newest published date, the version that a date replaced while the date stays, the model of
any version that stays, and whatever a night has stored that was not finished. Ages are counted back from --ds.
Prints one line for each thing that goes; readers lose sight of it before its files do.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.stages.retain import retain


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("retain", __doc__)
    add_ds(parser)
    parser.add_argument("--dry-run", action="store_true", help="print what would go, and remove nothing")
    return run_command(parser, retain, argv)


if __name__ == "__main__":
    sys.exit(main())
