"""All stages for one logical date: ingest, features, training, evaluation, top-N lists, publishing."""

from __future__ import annotations

from bgmrec.run.fingerprint import STAGES
from bgmrec.run.state import Run
from bgmrec.stages import build_features, evaluate, ingest_ratings, ingest_side_info, recommend, train
from bgmrec.stages.job import run_stage
from bgmrec.stages.summary import finish_published

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


def run_stages(run: Run) -> str:
    """Runs the stages that are not done yet; returns the path of the summary.

    Args:
        run: of the logical date.
    """
    resume = True
    for name, stage in _STAGES.items():
        # a finished stage counts only if every stage before it counts, too
        resume = resume and run.is_resumable(name)
        if resume:
            run.progress.done(name, resumed="finished before the interruption")
        else:
            run_stage(run, name, stage)
    return finish_published(run)
