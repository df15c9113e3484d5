"""Makes the report of a published run: one HTML file that opens from disk, and its figures as PNG and SVG."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any

from bgmrec.config import load_settings
from bgmrec.errors import InputError, SettingsError
from bgmrec.report.facts.gather import gather
from bgmrec.report.numbers import finite
from bgmrec.run.state import Run
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import start_run
from bgmrec.stages.tracking import log_published
from bgmrec.storage import files, one_step


def report(run: Run) -> str:
    """Writes the page, its figures and its facts.

    Args:
        run: the run.

    Returns:
        the path of the page.

    Raises:
        SettingsError: the packages that draw are not installed.
        InputError: the run has not published anything, or has no summary.
    """
    page, charts = drawing_parts()
    run_id, began = run.run_id, time.monotonic()
    name, reports = f"summaries/{run_id}", run.root.below("reports")
    summary = run.root.read_json(name)
    if summary is None or not summary.get("result", {}).get("published"):
        fault = "has no summary" if summary is None else "has not published anything"
        raise InputError(
            f"run {run_id} {fault}, so there is nothing to report",
            where=f"{run.root.path(name)}.json",
            expected="the summary of a published run",
            found="no summary" if summary is None else "a run that was not published",
            hint="its tables are published: run jobs/recommend.py again, which writes a summary"
            if run.versions.record(run_id)
            else f"finish it first: jobs/nightly.py --ds {run.ds} with the same settings",
        )
    facts = finite(gather(run, summary))
    gathered = time.monotonic()
    sections = charts.sections(facts)
    folder = reports.below(run_id)
    files.delete(run.spark, folder.root)
    folder.write_json("facts", facts)
    for figure in charts.figures(sections):
        one_step.write_bytes(run.spark, f"{folder.path(figure.name)}.svg", figure.pictures.svg)
        one_step.write_bytes(run.spark, f"{folder.path(figure.name)}.png", figure.pictures.png)
    path = f"{reports.path(run_id)}.html"
    content = page.render(facts, sections).encode()
    one_step.write_bytes(run.spark, path, content)
    run.root.write_json(name, {**summary, "report": path})
    run.progress.done(
        "report",
        run_id=run_id,
        reading=round(gathered - began, 1),
        making=round(time.monotonic() - gathered, 1),
        kilobytes=len(content) // 1000,
    )
    return path


def drawing_parts() -> tuple[Any, Any]:
    """The modules `charts` and `page`, which need the optional packages of `bgmrec[report]`.

    Raises:
        SettingsError: the packages are not installed.
    """
    try:
        from bgmrec.report.page import charts, page
    except ImportError as error:
        raise SettingsError(
            "the report needs packages that are not installed",
            where="jobs/report.py, or report.enabled = true",
            expected="the packages of bgmrec[report]",
            found=str(error),
            hint="pip install '.[report]', or set report.enabled = false",
        ) from None
    return page, charts


def print_report(arguments: Namespace, progress: Progress) -> None:
    """Makes the report, prints the path of its page, and logs the run to mlflow if the settings name a server.

    Args:
        arguments: arguments of the job.
        progress: progress log.
    """
    settings = load_settings(arguments.config, arguments.overrides)
    run = start_run(settings, arguments.ds, progress)
    write_line(report(run))
    log_published(run)
