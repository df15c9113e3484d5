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

import build_features
import evaluate
import ingest_ratings
import ingest_side_info
import recommend
import train
from summarising import run_publishing, summarised

from bgmrec.job import run_stage
from bgmrec.run import STAGES, Run

_STAGES = dict(
    zip(
        STAGES,
        (
            ingest_ratings.stage,
            ingest_side_info.stage,
            build_features.stage,
            train.stage,
            evaluate.stage,
            recommend.stage,
        ),
        strict=True,
    )
)


def night(run: Run) -> str:
    """Runs the stages that are not done yet; returns the path of the summary, which failures get too."""
    with summarised(run) as summary:
        resume = True
        for name, stage in _STAGES.items():
            # a stage counts only where every stage before it counts too
            resume = resume and run.is_resumable(name)
            if resume:
                run.progress.done(name, resumed="finished before the interruption")
            else:
                run_stage(run, name, stage)
    return summary.path


def main(argv: Sequence[str] | None = None) -> int:
    return run_publishing("nightly", __doc__, lambda run: print(night(run)), argv)


if __name__ == "__main__":
    sys.exit(main())
