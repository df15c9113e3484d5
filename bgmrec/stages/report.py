"""Makes the report of a published night: one HTML file that opens from disk, and its figures as PNG and SVG."""

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
from bgmrec.storage import files


def report(run: Run) -> str:
    """Writes the page and what belongs to it; returns the page's path.

    Raises:
        SettingsError: the packages that draw are not installed.
        InputError: the night was not finished.
    """
    page, charts = drawing_parts()
    run_id, began = run.run_id, time.monotonic()
    name, reports = f"summaries/{run_id}", run.root.below("reports")
    summary = run.root.read_json(name)
    if summary is None or not summary.get("result", {}).get("published"):
        raise InputError(
            f"run {run_id} has published nothing to report on",
            where=run.root.path(name),
            expected="the summary of a published night",
            hint=f"run jobs/nightly.py --ds {run.ds} with the same settings to its end",
        )
    facts = finite(gather(run, summary))
    gathered = time.monotonic()
    sections = charts.sections(facts)
    folder = reports.below(run_id)
    files.delete(run.spark, folder.root)
    folder.write_json("facts", facts)
    for figure in charts.figures(sections):
        files.write_bytes(run.spark, f"{folder.path(figure.name)}.svg", figure.pictures.svg)
        files.write_bytes(run.spark, f"{folder.path(figure.name)}.png", figure.pictures.png)
    path = f"{reports.path(run_id)}.html"
    content = page.render(facts, sections).encode()
    files.write_bytes(run.spark, path, content)
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
    """The modules that draw, which need packages that nothing else does."""
    try:
        from bgmrec.report.page import charts, page
    except ImportError as error:
        raise SettingsError(
            "the report needs packages that are not installed",
            where="jobs/report.py",
            found=str(error),
            hint="pip install '.[report]', or set report.enabled = false",
        ) from None
    return page, charts


def print_report(arguments: Namespace, progress: Progress) -> None:
    """Makes the report and prints where its page is."""
    settings = load_settings(arguments.config, arguments.overrides)
    write_line(report(start_run(settings, arguments.ds, progress)))
