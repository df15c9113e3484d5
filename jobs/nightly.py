"""The whole night for one logical date: ingest, features, training, evaluation, top-N, publishing.

A night that died goes on where it stopped when the same command is given again; a night that was
published is made anew and replaces its partition. With report.enabled the page of the night comes last; without it
the night is published all the same. The run's summary is written as JSON to
<root>/summaries/<run_id>.json and its path is the last line on standard output; its numbers stand beside it
as OpenMetrics text (.prom).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import write_line
from bgmrec.stages.nightly import run_stages
from bgmrec.stages.summary import run_publishing


def main(argv: Sequence[str] | None = None) -> int:
    return run_publishing("nightly", __doc__, lambda run: write_line(run_stages(run)), argv)


if __name__ == "__main__":
    sys.exit(main())
