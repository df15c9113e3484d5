"""Makes the report of a published run: one HTML file that opens from disk, and its figures as PNG and SVG.

Reads the tables of the run. Writes <root>/reports/<run_id>.html, and in <root>/reports/<run_id>/ the figures and the
numbers of the page as facts.json. Adds the path of the page to the run's summary, and prints it as the last line on
standard output. With mlflow.tracking_uri the run is logged there (again), with the page. Run it after jobs/nightly.py
with the same settings. bgmrec/report/README.md explains the page.
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
