"""How the jobs that publish run, and what they leave whether it was published or not: a summary, then a page.

No job of its own: what nightly and recommend share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bgmrec.config import load_settings
from bgmrec.errors import BgmrecError
from bgmrec.run.state import Run
from bgmrec.runtime.gateway import push
from bgmrec.runtime.logs import logger
from bgmrec.stages import report
from bgmrec.stages.job import add_ds, arg_parser, guarded, locked_run, progress_for
from bgmrec.stages.publishing import add_force_publish
from bgmrec.storage import files


def run_publishing(
    name: str, description: str | None, body: Callable[[Run], None], argv: Sequence[str] | None = None
) -> int:
    """A job that publishes: arguments, settings, run, exit status.

    Args:
        name: of the job.
        description: for its help.
        body: what it does, from `summarised` to its end.
        argv: the arguments; none: those of the process.
    """
    parser = arg_parser(name, description)
    add_ds(parser)
    add_force_publish(parser)
    arguments = parser.parse_args(argv)
    progress = progress_for(arguments.log_format)

    def with_run() -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        with locked_run(settings, arguments.ds, progress, arguments.force_publish) as run:
            body(run)

    return guarded(with_run)


@dataclass
class Written:
    """Where the summary lies, once it is written."""

    path: str = ""


@contextmanager
def summarised(run: Run) -> Iterator[Written]:
    """Writes summary and metrics when what is done inside ends, and pushes these where the settings ask for it."""
    written = Written()
    try:
        yield written
    except BgmrecError as error:
        run.summary.add("result", published=False, error=error.message, exit_status=error.exit_status)
        _write(run, written)
        raise
    run.summary.add("result", published=True)
    _write(run, written)
    if run.settings.report.enabled:
        _make_page(run)


def _write(run: Run, written: Written) -> None:
    written.path, monitor = run.write_summary(), run.settings.monitor
    if monitor.gateway is not None:
        metrics = files.read_bytes(run.spark, written.path.removesuffix(".json") + ".prom")
        push(metrics, monitor.gateway, monitor.job)


def _make_page(run: Run) -> None:
    """The page of the night that has just been published; where it fails, the night is published all the same."""
    try:
        report.report(run)
    except Exception as error:
        logger.error(
            "the night is published, its report could not be made: %s\n  hint: %s",
            error,
            f"jobs/report.py with the same settings and --ds {run.ds} makes it; report.enabled = false leaves it out",
            exc_info=None if isinstance(error, BgmrecError) else error,
        )
