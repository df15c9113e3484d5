"""Goes back to an earlier published version: tables, catalogue and `latest` with its model, together."""

from __future__ import annotations

import argparse
import re
from argparse import Namespace
from datetime import date
from typing import Any

from bgmrec.config import load_settings
from bgmrec.errors import InputError
from bgmrec.run.state import Run
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import locked_run

_RUN_ID = re.compile(r"(\d{4}-\d{2}-\d{2})-\d{3,}")


def run_id(text: str) -> str:
    """Parses --to."""
    if not _RUN_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no run; expected YYYY-MM-DD-NNN, as in manifests and summaries")
    return text


def target(run: Run, named: str | None) -> dict[str, Any]:
    """The record to go back to: the named run's, or that of the run which the date's last publication replaced.

    A rollback of a date that was interrupted is ended by the same command, and not by one to the other side.

    Raises:
        InputError: there is none, or its tables or its model are gone.
    """
    manifest = run.versions.manifest(str(run.ds))
    wanted = named or (manifest and manifest["run_id" if manifest["rolled_back"] else "replaced"])
    record = run.versions.record(wanted) if wanted else None
    if record is None:
        raise InputError(
            f"run {named} is not kept" if named else f"{run.ds} has no earlier version to go back to",
            where=run.versions.records.root,
            found=f"versions that are kept: {', '.join(run.versions.runs()) or 'none'}",
            hint="name one of them by --to; one of an earlier date withdraws the dates after it",
        )
    if missing := run.versions.missing(record):
        raise InputError(
            f"the tables of {record['run_id']} are gone",
            where=", ".join(missing),
            expected="Parquet folders with a _SUCCESS mark",
            hint="name another run by --to",
        )
    run.models.load(record["model"]["run_id"])
    return record


def roll_back(run: Run, named: str | None, dry_run: bool) -> None:
    """Prints what changes for readers, and does it."""
    record = target(run, named)
    manifest = run.versions.manifest(record["ds"])
    later = [day for day in run.versions.dates() if day > record["ds"]] if named else []
    write_line(f"{record['ds']}: {manifest['run_id'] if manifest else 'nothing'} -> {record['run_id']}")
    for day in later:
        write_line(f"{day}: unpublished")
    if dry_run:
        return
    run.versions.promote(record, rolled_back=True)
    if named:
        run.versions.unpublish_after(record["ds"])
    latest = run.versions.latest() or record
    write_line(f"latest: {latest['run_id']}, model {latest['model']['run_id']}")


def rollback(arguments: Namespace, progress: Progress) -> None:
    """Goes back to the version that the arguments name."""
    settings = load_settings(arguments.config, arguments.overrides)
    ds = arguments.ds or date.fromisoformat(arguments.to[:10])
    with locked_run(settings, ds, progress) as run:
        roll_back(run, arguments.to, arguments.dry_run)
