"""Shows what a night made as readable tables: what it published, users, tracks, or a run's own account.

Without --user, --item or --run: where the tables are, some users' histories beside their lists, and the metrics.
--user tells who a user is, what they heard, and what carries each score of their list; --item what is known of a
track, who gets it, and what is near it; --run what a run did, out of its summary, with or without its tables.

Reads the working tables of the same logical date, so run it after jobs/nightly.py with the same settings; [report]
names the fields that stand beside a title. The same facts with charts: jobs/report.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import arg_parser, run_command
from bgmrec.stages.show import add_arguments, checked, run_show


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("show", __doc__)
    add_arguments(parser)
    return run_command(parser, run_show, argv, check=checked)


if __name__ == "__main__":
    sys.exit(main())
