"""Lists the ids of the rating log that lack side information: the crawl frontier, the oldest and most used first.

Reads `ratings`, `users` and `items` of the same logical date, so that it runs after ingest_ratings and
ingest_side_info. Writes JSON lines (id, uses, first_seen) to <root>/frontier/ds=<ds>/items/ and users/, which
[[crawl.start.lists]] names.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.stages.crawl_frontier import print_frontier


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("crawl_frontier", __doc__)
    add_ds(parser)
    return run_command(parser, print_frontier, argv)


if __name__ == "__main__":
    sys.exit(main())
