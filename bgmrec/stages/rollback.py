"""Publishes an earlier version again: tables, catalogue and `latest` with its model, together."""

from __future__ import annotations

import argparse
import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import Any

from bgmrec.config import load_settings
from bgmrec.errors import BusyError, InputError
from bgmrec.publish.promotion import promote, unpublish_after
from bgmrec.run.state import Run
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import date_lock, locked_run

_RUN_ID = re.compile(r"(\d{4}-\d{2}-\d{2})-\d{3,}")


def run_id(text: str) -> str:
    """Parses --to.

    Args:
        text: of the command line.
    """
    if not _RUN_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a run id; expected YYYY-MM-DD-NNN, as in manifests and names of summaries"
        )
    return text


def target(run: Run, named: str | None) -> dict[str, Any]:
    """The record to publish again: the named run's, or that of the run which the last publication replaced.

    After a rollback the date's own record is returned, so that a repeated or interrupted rollback ends in the same
    version.

    Args:
        run: of the logical date.
        named: run id; None: the version before.

    Raises:
        InputError: there is no such version, or its tables or its model are deleted.
    """
    manifest = run.versions.manifest(str(run.ds))
    target_id = named or (manifest and manifest["run_id" if manifest["rolled_back"] else "replaced"])
    record = run.versions.record(target_id) if target_id else None
    if record is None:
        raise InputError(
            f"there is no version of run {named}" if named else f"{run.ds} has no earlier version",
            where=run.versions.records.root,
            expected=f"the record of {target_id or 'a replaced version'}",
            found=f"versions of the runs {', '.join(run.versions.runs()) or 'none'}",
            hint="name one of them by --to; later dates than its own are then unpublished",
        )
    if missing := run.versions.missing(record):
        raise InputError(
            f"the tables of {record['run_id']} are missing",
            where=", ".join(missing),
            expected="Parquet folders with a _SUCCESS file",
            found="none",
            hint="restore the folders, or name another run by --to; runs with a version: "
            + ", ".join(run.versions.runs()),
        )
    run.models.load(record["model"]["run_id"])
    return record


def roll_back(run: Run, named: str | None, dry_run: bool) -> None:
    """Prints what changes for readers, and changes it.

    Args:
        run: of the logical date, whose lock the caller holds.
        named: run id that becomes the newest; None: the date's version before.
        dry_run: print only.

    Raises:
        InputError: there is no such version.
        BusyError: another run is at work on a date that would be unpublished; nothing was changed.
    """
    record = target(run, named)
    manifest = run.versions.manifest(record["ds"])
    with _locks(run, run.versions.dates_after(record["ds"]) if named else []) as later:
        write_line(f"{record['ds']}: {manifest['run_id'] if manifest else 'nothing'} -> {record['run_id']}")
        for day in later:
            write_line(f"{day}: unpublished")
        if dry_run:
            return
        promote(run.versions, record, rolled_back=True)
        if named:
            unpublish_after(run.versions, record["ds"], later)
        latest = run.versions.latest() or record
        write_line(f"latest: {latest['run_id']}, model {latest['model']['run_id']}")


@contextmanager
def _locks(run: Run, dates: Sequence[str]) -> Iterator[Sequence[str]]:
    """Holds the locks of the dates, taken in this order; yields the dates."""
    with ExitStack() as stack:
        for day in dates:
            try:
                stack.enter_context(date_lock(run, day))
            except BusyError as error:
                raise BusyError(
                    f"{day} cannot be unpublished: another run is at work on it. Nothing was changed",
                    where=error.where,
                    expected=f"no run of {day}",
                    found=error.found,
                    hint="wait until it ends, or stop it, then run the same command again",
                ) from None
        yield dates


def rollback(arguments: Namespace, progress: Progress) -> None:
    """Publishes the version that the arguments name.

    Args:
        arguments: of jobs/rollback.py.
        progress: of the job.
    """
    settings = load_settings(arguments.config, arguments.overrides)
    ds = arguments.ds or date.fromisoformat(arguments.to[:10])
    with locked_run(settings, ds, progress) as run:
        roll_back(run, arguments.to, arguments.dry_run)
