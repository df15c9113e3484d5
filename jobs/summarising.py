"""What every night leaves, whether it was published or not: its summary, and after publishing its page.

No job of its own: what nightly and recommend end with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import report

from bgmrec import files
from bgmrec.errors import BgmrecError
from bgmrec.gateway import push
from bgmrec.logs import logger
from bgmrec.run import Run


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
            "the night is published, its report could not be made: %s\n  cure: %s",
            error,
            f"jobs/report.py with the same settings and --ds {run.ds} makes it; report.enabled = false leaves it out",
            exc_info=None if isinstance(error, BgmrecError) else error,
        )
