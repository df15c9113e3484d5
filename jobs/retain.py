"""Deletes what is older than [retention]: published dates, models, working tables, summaries, cached rows.

These are never deleted: the newest published date, the version that a kept date replaced, the models of kept
versions, and everything that an unfinished run has stored. Ages are days before --ds. Prints one line for each
deletion; a date is unpublished before its files are deleted. A date that another run is at work on is skipped
with a line, and a later retain deletes it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.stages.retain import retain


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("retain", __doc__)
    add_ds(parser)
    parser.add_argument("--dry-run", action="store_true", help="print what would be deleted, and delete nothing")
    return run_command(parser, retain, argv)


if __name__ == "__main__":
    sys.exit(main())
