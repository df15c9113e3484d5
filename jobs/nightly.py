"""The whole night for one logical date: ingest, features, training, evaluation, top-N, publishing.

A night that died goes on where it stopped when the same command is given again; a night that was
published is made anew and replaces its partition. With report.enabled the page of the night comes last; without it
the night is published all the same. The run's summary is written as JSON to
<root>/summaries/<run_id>.json and its path is the last line on standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import build_features
import evaluate
import ingest_ratings
import ingest_side_info
import recommend
import report
import train

from bgmrec.config import load_settings
from bgmrec.errors import BgmrecError
from bgmrec.job import add_ds, arg_parser, guarded, progress_for, run_stage, start_run
from bgmrec.logs import logger
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
    try:
        resume = True
        for name, stage in _STAGES.items():
            # a stage counts only where every stage before it counts too
            resume = resume and run.is_resumable(name)
            if resume:
                run.progress.done(name, resumed="finished before the interruption")
            else:
                run_stage(run, name, stage)
    except BgmrecError as error:
        run.summary.add("result", published=False, error=error.message, exit_status=error.exit_status)
        run.write_summary()
        raise
    run.summary.add("result", published=True)
    path = run.write_summary()
    if run.settings.report.enabled:
        _report(run)
    return path


def _report(run: Run) -> None:
    """The page of the night that has just been published; where it fails, the night is published all the same."""
    try:
        report.report(run)
    except Exception as error:
        logger.error(
            "the night is published, its report could not be made: %s\n  cure: %s",
            error,
            f"jobs/report.py with the same settings and --ds {run.ds} makes it; report.enabled = false leaves it out",
            exc_info=None if isinstance(error, BgmrecError) else error,
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("nightly", __doc__)
    add_ds(parser)
    arguments = parser.parse_args(argv)
    progress = progress_for(arguments.log_format)

    def body() -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        print(night(start_run(settings, arguments.ds, progress)))

    return guarded(body)


if __name__ == "__main__":
    sys.exit(main())
