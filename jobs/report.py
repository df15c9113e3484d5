"""Makes the report of a published night: one HTML file that opens from disk, and its figures as PNG and SVG.

Reads the tables that the night left, writes <root>/reports/<run_id>.html, <root>/reports/<run_id>/ and the numbers
behind all of it as facts.json there, and names the page in the run's summary. Run it after jobs/nightly.py with the
same settings; [report] says how large its samples are. Its path is the last line on standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.stages.report import print_report


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("report", __doc__)
    add_ds(parser)
    return run_command(parser, print_report, argv)


if __name__ == "__main__":
    sys.exit(main())
