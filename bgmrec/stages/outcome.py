"""Reports how a run ended, whatever it ended by: a summary, its metrics as a file, and a push to the gateway.

Every end by an exception is reported: otherwise the gateway would keep showing the last success.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from bgmrec.config import Settings
from bgmrec.errors import BusyError
from bgmrec.run.state import Run, summary_head
from bgmrec.runtime.command import error_message, exit_status
from bgmrec.runtime.gateway import push
from bgmrec.runtime.logs import logger
from bgmrec.runtime.openmetrics import registry_of

RESULT = "result"  # section of the summary


def report_published(run: Run) -> str:
    """Reports that the run is published; returns the path of the summary.

    Args:
        run: that has been published.
    """
    run.summary.add(RESULT, published=True)
    return _report(run)


@contextmanager
def failures_reported(run: Run) -> Iterator[None]:
    """Reports the exception that ends the block, and raises it again.

    A run that lost its lock reports nothing: the run that took over does.

    Args:
        run: whose stages are run inside.
    """
    try:
        yield
    except BaseException as error:
        if run.lock is None or not run.lock.lost:
            _report_failure(run, error)
        raise


@contextmanager
def failed_start_reported(settings: Settings, ds: date) -> Iterator[None]:
    """Pushes that a run could not be started, and raises the exception again; there is nowhere to write a summary yet.

    A run that another one keeps from starting reports nothing: the other one does.

    Args:
        settings: of the run.
        ds: the logical date.
    """
    try:
        yield
    except BusyError:
        raise
    except BaseException as error:
        _push(settings, {**summary_head(settings, ds, ""), RESULT: _failed(error)})
        raise


def _report_failure(run: Run, error: BaseException) -> None:
    # what fails after the switch, writing the summary for example, leaves the run published
    published = run.summary.facts.get(RESULT, {}).get("published", False)
    run.summary.add(RESULT, **{**_failed(error), "published": published})
    try:
        _report(run)
    except Exception as second:
        logger.error(
            "the summary of the failed run could not be written: %s\n  where: %s\n  hint: %s",
            error_message(second),
            run.root.path("summaries"),
            "this line reports a second failure: the one that ended the run is reported after it",
        )


def _failed(error: BaseException) -> dict[str, Any]:
    return {"published": False, "error": error_message(error), "exit_status": exit_status(error)}


def _report(run: Run) -> str:
    """Writes the summary and pushes its metrics, which are pushed even if nothing can be written."""
    document = {**summary_head(run.settings, run.ds, ""), **run.summary.facts}
    try:
        document = run.summary_document()
        return run.write_summary(document)
    finally:
        _push(run.settings, document)


def _push(settings: Settings, document: dict[str, Any]) -> None:
    monitor = settings.monitor
    if monitor.gateway is not None:
        push(registry_of(document), monitor.gateway, monitor.job)
