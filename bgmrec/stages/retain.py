"""Removes what is older than [retention] allows: published dates, models, working tables, summaries, mapped files."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from bgmrec.config import load_settings
from bgmrec.ingest.mapped import MAPPED
from bgmrec.publish.contracts import CONTRACTS
from bgmrec.publish.retention import Inventory, Plan, plan
from bgmrec.run.state import STAGES, Run
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import start_run
from bgmrec.storage import columns as c
from bgmrec.storage import files


def inventory(run: Run) -> Inventory:
    """What there is below the root, by listing names and reading small documents."""
    versions, states = run.versions, {ds: _run_state(run, ds) for ds in _names(run, run.root.path(f"work/{c.DS}=*"))}
    return Inventory(
        manifests={ds: versions.manifest(ds) or {} for ds in versions.dates()},
        records={run_id: versions.record(run_id) or {} for run_id in versions.runs()},
        versions={table: _names(run, versions.tables.path(f"{table}/{c.DS}=*/{c.RUN_ID}=*")) for table in CONTRACTS},
        models=run.models.runs(),
        work={ds: _finished(state) for ds, state in states.items()},
        under_way=[state["run_id"] for state in states.values() if state is not None and not _finished(state)],
        mapped=_mapped(run),
        summaries=[name.removesuffix(".json") for name in _names(run, run.root.path("summaries/*.json"))],
    )


def _names(run: Run, pattern: str) -> list[str]:
    return [path.rsplit("/", 1)[-1].rsplit("=", 1)[-1] for path in files.glob(run.spark, pattern)]


def _mapped(run: Run) -> dict[tuple[str, str], bool]:
    """Batches of mapped files, documented or not, and whether newer ones hold all of their files."""
    paths = (path.rsplit("/", 2)[-2:] for path in files.glob(run.spark, run.root.path(f"{MAPPED}/*/*")))
    found = {}
    newer: dict[str, set[str]] = {}
    for folder, name in sorted({(folder, name.removesuffix(".json")) for folder, name in paths}, reverse=True):
        document = run.root.below(MAPPED).below(folder).read_json(name) or {"files": {}}
        known = newer.setdefault(folder, set())
        found[folder, name] = known.issuperset(document["files"])
        known.update(document["files"])
    return found


def _run_state(run: Run, ds: str) -> dict[str, Any] | None:
    return run.root.below("work").below(f"{c.DS}={ds}").read_json("run")


def _finished(state: dict[str, Any] | None) -> bool:
    return state is None or STAGES[-1] in state["done"]


def carry_out(run: Run, goes: Plan) -> None:
    """Removes it: dates from catalogue and manifests first, then files, then what only records knew of."""
    versions = run.versions
    for ds in goes.dates:
        versions.unpublish(ds)
    for table, run_id in goes.versions:
        files.delete(run.spark, versions.tables.path(f"{table}/{c.DS}={run_id[:10]}/{c.RUN_ID}={run_id}"))
    for run_id in goes.records:
        versions.purge(run_id)
    for run_id in goes.models:
        run.models.delete(run_id)
    for ds in goes.work:
        files.delete(run.spark, run.root.path(f"work/{c.DS}={ds}"))
    for folder, name in goes.mapped:
        batches = run.root.below(MAPPED).below(folder)
        files.delete(run.spark, f"{batches.path(name)}.json")
        batches.delete(name)
    for run_id in goes.summaries:
        for name in (
            f"reports/{run_id}",
            f"reports/{run_id}.html",
            *(f"summaries/{run_id}.{k}" for k in ("prom", "json")),
        ):
            files.delete(run.spark, run.root.path(name))


def retain(arguments: Namespace, progress: Progress) -> None:
    """Prints what goes and, unless it is a dry run, removes it."""
    settings = load_settings(arguments.config, arguments.overrides)
    run = start_run(settings, arguments.ds, progress)
    goes = plan(inventory(run), settings.retention, arguments.ds)
    for line in goes.lines():
        write_line(line)
    if not arguments.dry_run:
        carry_out(run, goes)
