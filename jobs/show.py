"""Shows the results of a run as text: published tables, users, tracks, or the summary of the run.

Without --user, --item or --run it prints where the published tables are, the histories and lists of some users, and
the metrics. --user prints a user's profile, history, list and the parts of each score; --item a track's fields, how
often it is recommended, and similar tracks; --run the summary of a run, even if its tables were deleted.

Reads the working tables of the logical date: run it after jobs/nightly.py with the same settings. report.title_field
and report.label_fields name the item fields to show; without a title field tracks are shown by their ids.
jobs/report.py makes an HTML page of the same facts.
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
