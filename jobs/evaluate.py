"""Evaluates the best round's model and the baselines on the held-out ratings of the run.

Rating errors in explicit mode; top-N lists against held-out targets in both modes; every metric by slice. All models
are scored and measured by the same code. Prints a table and writes `metrics.json` beside the working tables, with
the run id of the evaluated model; the overall metrics go into the run's summary. If no ratings were held out, it
writes that and computes nothing.
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
