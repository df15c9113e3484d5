"""Goes back to an earlier published version: tables, catalogue and `latest` with its model, together.

With --ds, the date gets the version that its last publication replaced; given again, the command changes
nothing. With --to, the named run becomes the newest: dates after it are withdrawn from readers (their
versions stay until jobs/retain.py removes them, and --to brings them back). Nothing is computed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import arg_parser, logical_date, run_command
from bgmrec.stages.rollback import rollback, run_id


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("rollback", __doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--ds", type=logical_date, metavar="YYYY-MM-DD", help="the date to take back by one version")
    where.add_argument("--to", type=run_id, metavar="RUN_ID", help="the run that shall be the newest")
    parser.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")
    return run_command(parser, rollback, argv)


if __name__ == "__main__":
    sys.exit(main())
