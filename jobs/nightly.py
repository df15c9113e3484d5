"""Runs all stages for one logical date: ingest, features, training, evaluation, top-N lists, publishing.

After an interruption the same command resumes where the run stopped. A date that is published already is computed
again and replaces its partition. With report.enabled the page of the run is written last; if that fails the run stays
published. The run's summary is written as JSON to <root>/summaries/<run_id>.json, and its path is the last line on
standard output; its numbers are written beside it as OpenMetrics text (.prom). A failed run gets both, too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import write_line
from bgmrec.stages.nightly import run_stages
from bgmrec.stages.summary import run_publishing


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; returns its exit status.

    Args:
        argv: the arguments; None: those of the process.
    """
    return run_publishing("nightly", __doc__, lambda run: write_line(run_stages(run)), argv)


if __name__ == "__main__":
    sys.exit(main())
