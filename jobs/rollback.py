"""Publishes an earlier version again: tables, catalogue and `latest` with its model, together.

With --ds, readers of the date get the version that its last publication replaced; repeating the command changes
nothing. With --to, the named run becomes the newest: later dates are unpublished. Their versions are kept until
jobs/retain.py deletes them, and --to with one of their runs publishes them again. Nothing is computed. If another
run is at work on a date that would change, nothing changes and the exit status is 7.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import arg_parser, logical_date, run_command
from bgmrec.stages.rollback import rollback, run_id


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("rollback", __doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--ds", type=logical_date, metavar="YYYY-MM-DD", help="the date that gets its previous version")
    where.add_argument("--to", type=run_id, metavar="RUN_ID", help="the run that becomes the newest")
    parser.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")
    return run_command(parser, rollback, argv)


if __name__ == "__main__":
    sys.exit(main())
