"""Lists the ids of the rating log that lack side information, by priority: the crawl frontier.

Run it after ingest_ratings and ingest_side_info of the same logical date, whose tables it reads. Writes JSON lines
(id, uses, first_seen) to <root>/frontier/ds=<ds>/items/ and users/, by falling uses × days since the first use; a
source names these files in [[crawl.start.lists]].
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
