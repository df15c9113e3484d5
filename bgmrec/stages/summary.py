"""The jobs that publish: nightly and recommend."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence

from bgmrec.config import load_settings
from bgmrec.errors import BgmrecError
from bgmrec.run.state import Run
from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.runtime.logs import Progress, logger
from bgmrec.stages import report
from bgmrec.stages.job import reported_run
from bgmrec.stages.outcome import report_published
from bgmrec.stages.publishing import add_force_publish
from bgmrec.stages.tracking import log_published


def run_publishing(
    name: str, description: str | None, body: Callable[[Run], None], argv: Sequence[str] | None = None
) -> int:
    """Runs a job that publishes: arguments, settings, run, exit status.

    Args:
        name: of the job.
        description: of the job, for its help.
        body: the stages, up to `finish_published`.
        argv: the arguments; None: those of the process.
    """
    parser = arg_parser(name, description)
    add_ds(parser)
    add_force_publish(parser)

    def with_run(arguments: Namespace, progress: Progress) -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        with reported_run(settings, arguments.ds, progress, arguments.force_publish) as run:
            body(run)

    return run_command(parser, with_run, argv)


def finish_published(run: Run) -> str:
    """Writes the summary of a published run, then its page and its entry in mlflow if the settings ask for them.

    Neither a page nor an entry that fails changes that the run is published. Returns the summary's path.

    Args:
        run: that has been published.
    """
    path = report_published(run)
    if run.settings.report.enabled:
        _make_page(run)
    log_published(run)
    return path


def _make_page(run: Run) -> None:
    """Makes the page of a published run; a failure is logged, and the run stays published."""
    try:
        report.report(run)
    except Exception as error:
        logger.error(
            "the run is published, but its report could not be made: %s\n  hint: %s",
            error,
            f"run jobs/report.py with the same settings and --ds {run.ds}, or set report.enabled = false",
            exc_info=None if isinstance(error, BgmrecError) else error,
        )
