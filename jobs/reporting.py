"""The summary that every night leaves, whether it was published or not.

No job of its own: what nightly and recommend end with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bgmrec import files
from bgmrec.errors import BgmrecError
from bgmrec.gateway import push
from bgmrec.run import Run


@dataclass
class Report:
    """Where the summary lies, once it is written."""

    path: str = ""


@contextmanager
def reported(run: Run) -> Iterator[Report]:
    """Writes summary and metrics when what is done inside ends, and pushes these where the settings ask for it."""
    report = Report()
    try:
        yield report
    except BgmrecError as error:
        run.summary.add("result", published=False, error=error.message, exit_status=error.exit_status)
        _write(run, report)
        raise
    run.summary.add("result", published=True)
    _write(run, report)


def _write(run: Run, report: Report) -> None:
    report.path, monitor = run.write_summary(), run.settings.monitor
    if monitor.gateway is not None:
        metrics = files.read_bytes(run.spark, report.path.removesuffix(".json") + ".prom")
        push(metrics, monitor.gateway, monitor.job)
