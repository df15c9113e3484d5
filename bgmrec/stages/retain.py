"""Deletes what is older than `[retention]`: published dates, models, working tables, summaries, cached rows."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bgmrec.config import load_settings
from bgmrec.errors import BusyError
from bgmrec.ingest.row_cache import CACHE_FOLDER
from bgmrec.ingest.stored_profiles import PROFILES
from bgmrec.publish.contracts import CONTRACTS
from bgmrec.publish.promotion import unpublish
from bgmrec.publish.retention import Deletions, Inventory, deletions
from bgmrec.run.fingerprint import STAGES
from bgmrec.run.state import PREVIOUS_MODEL, Run
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import date_lock, note_lock, start_run
from bgmrec.storage import columns as c
from bgmrec.storage import files

_DATES = f"{c.DS}=*"


def inventory(run: Run) -> Inventory:
    """Everything below the root that retention looks at. Lists names and reads small documents.

    Args:
        run: of any logical date below the root.
    """
    versions, states = run.versions, {ds: _run_state(run, ds) for ds in _names(run, run.root.path("work"), _DATES)}
    return Inventory(
        manifests={ds: versions.manifest(ds) or {} for ds in versions.dates()},
        records={run_id: versions.record(run_id) or {} for run_id in versions.runs()},
        versions={table: versions.stored(table) for table in CONTRACTS},
        snapshots=()
        if versions.commits is None
        else versions.commits.runs_in_use(_readers_since(run), versions.latest()),
        models=run.models.runs(),
        work={ds: _is_finished(state) for ds, state in states.items()},
        unfinished=[run_id for state in states.values() for run_id in _unfinished(state)],
        row_cache=_row_cache(run),
        summaries=[name.removesuffix(".json") for name in _names(run, run.root.path("summaries"), "*.json")],
    )


def _names(run: Run, folder: str, pattern: str = "*") -> list[str]:
    """Names in a folder, of `key=value` the value."""
    return [path.rsplit("/", 1)[-1].rsplit("=", 1)[-1] for path in files.children(run.spark, folder, pattern)]


def _unfinished(state: dict[str, Any] | None) -> list[str]:
    """Run ids of a run that is not finished: its own, and that of the model that it builds on."""
    if state is None or _is_finished(state):
        return []
    previous = state.get(PREVIOUS_MODEL)
    return [state["run_id"], *([previous] if previous else [])]


def _readers_since(run: Run) -> datetime | None:
    """When the oldest query that may still run began, by the clock, as the commits of a table have it; None: ever."""
    days = run.settings.retention.unreferenced_days
    return None if days is None else datetime.now(UTC) - timedelta(days=days)


def _row_cache(run: Run) -> dict[tuple[str, str], bool]:
    """(folder, name) of all batches of cached rows → whether newer batches hold all of its files."""
    folders = files.children(run.spark, run.root.path(CACHE_FOLDER))
    paths = (path.rsplit("/", 2)[-2:] for folder in folders for path in files.children(run.spark, folder))
    replaced: dict[tuple[str, str], bool] = {}
    newer_files: dict[str, set[str]] = {}
    for folder, name in sorted({(folder, name.removesuffix(".json")) for folder, name in paths}, reverse=True):
        # a batch without a document was interrupted while it was written
        document = run.root.below(CACHE_FOLDER).below(folder).read_json(name) or {"files": {}}
        newer = newer_files.setdefault(folder, set())
        replaced[folder, name] = newer.issuperset(document["files"])
        newer.update(document["files"])
    return replaced


def _run_state(run: Run, ds: str) -> dict[str, Any] | None:
    return run.root.below("work").below(f"{c.DS}={ds}").read_json("run")


def _is_finished(state: dict[str, Any] | None) -> bool:
    return state is None or STAGES[-1] in state["done"]


def delete(run: Run, old: Deletions) -> None:
    """Deletes in this order: dates from catalogue, tables and manifests, then files, then the records that name files.

    Args:
        run: of any logical date below the root.
        old: what to delete; the caller holds the locks of its logical dates.
    """
    versions = run.versions
    for ds in old.dates:
        unpublish(versions, ds)
    since = _readers_since(run)
    if versions.commits is not None and since is not None:
        versions.commits.expire(since, [versions.manifest(ds) or {"tables": {}} for ds in versions.dates()])
    for table, run_id in old.versions:
        versions.delete_version(table, run_id)
    for run_id in old.records:
        versions.purge(run_id)
    for run_id in old.models:
        run.models.delete(run_id)
    for ds in old.work:
        files.delete(run.spark, run.root.path(f"work/{c.DS}={ds}"))
    for folder, name in old.row_cache:
        batches = run.root.below(CACHE_FOLDER).below(folder)
        files.delete(run.spark, f"{batches.path(name)}.json")
        batches.delete(name)
    for run_id in old.summaries:
        for path in (
            f"reports/{run_id}",
            f"reports/{run_id}.html",
            f"{PROFILES}/{run_id[:10]}",
            *(f"summaries/{run_id}.{suffix}" for suffix in ("prom", "json")),
        ):
            files.delete(run.spark, run.root.path(path))


def delete_old(run: Run, today: date, dry_run: bool) -> None:
    """Prints what is older than `[retention]` and, unless it is a dry run, deletes it.

    A logical date that another run is at work on is skipped; a later call deletes it.

    Args:
        run: of any logical date below the root.
        today: the logical date from which ages are counted back.
        dry_run: print only.
    """
    settings = run.settings.retention
    old = deletions(inventory(run), settings, today)
    if dry_run:
        _print(old)
        return
    note_lock(run)
    with _free_dates(run, old.logical_dates()) as dates:
        # decided again: until its lock was held, another run may have published or finished a date
        old = deletions(inventory(run), settings, today).of(dates)
        _print(old)
        delete(run, old)


def _print(old: Deletions) -> None:
    for line in old.lines():
        write_line(line)


@contextmanager
def _free_dates(run: Run, dates: Sequence[str]) -> Iterator[list[str]]:
    """Holds the locks of the dates, taken in this order; yields the dates that no other run holds."""
    free = []
    with ExitStack() as stack:
        for ds in dates:
            try:
                stack.enter_context(date_lock(run, ds))
            except BusyError as error:
                write_line(f"skipped {ds}: another run is at work on it ({error.found}); a later retain deletes it")
            else:
                free.append(ds)
        yield free


def retain(arguments: Namespace, progress: Progress) -> None:
    """Prints what is old and, unless it is a dry run, deletes it.

    Args:
        arguments: of jobs/retain.py.
        progress: of the job.
    """
    settings = load_settings(arguments.config, arguments.overrides)
    delete_old(start_run(settings, arguments.ds, progress), arguments.ds, arguments.dry_run)
