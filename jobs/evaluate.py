"""Judges the best round's model and the baselines on the held-out ratings of the night.

Rating errors in explicit mode; top-N lists against held-out targets in both; every metric by slice. All models
go through the same scores, lists and metrics. Prints a table and writes `metrics.json` beside the working tables;
the overall figures go into the run's summary. Without validation ratings there is nothing to judge.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.stages import evaluate
from bgmrec.stages.job import run_job


def main(argv: Sequence[str] | None = None) -> int:
    return run_job("evaluate", __doc__, evaluate.stage, argv)


if __name__ == "__main__":
    sys.exit(main())
