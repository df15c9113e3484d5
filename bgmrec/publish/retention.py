"""What may go: decided from names and manifests alone, so that every rule can be tested without a file.

A date's published version, the one that it replaced, and the models of both stay as long as the date; the newest date
stays whatever its age. What no manifest names (superseded, withdrawn, refused by the gate) stays for some days, so that
readers can end and a rollback can bring it back. Ages are logical dates back from a given one: nothing asks the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from bgmrec.config.serving import RetentionSettings


@dataclass(frozen=True)
class Inventory:
    """What there is below a root.

    Args:
        manifests: published date → its manifest.
        records: run id → what it published, visible or not.
        versions: run ids of table folders, by published table.
        models: run ids in the model store.
        work: date → whether its night was finished.
        summaries: run ids.
        mapped: (folder, name) of batches of mapped files → whether newer ones hold all of its files; names begin
            with a date.
        under_way: run ids of nights that were not finished, whose model or tables may be stored already.
    """

    manifests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    models: Sequence[str] = ()
    work: Mapping[str, bool] = field(default_factory=dict)
    summaries: Sequence[str] = ()
    mapped: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    under_way: Sequence[str] = ()


@dataclass(frozen=True)
class Plan:
    """What goes, in the order in which it goes: readers lose sight of a thing before its files do.

    Args:
        dates: published dates, from manifests and catalogue.
        versions: (table, run id) of folders.
        records: run ids.
        models: run ids.
        work: dates.
        mapped: (folder, name) of batches.
        summaries: run ids.
    """

    dates: list[str]
    versions: list[tuple[str, str]]
    records: list[str]
    models: list[str]
    work: list[str]
    mapped: list[tuple[str, str]]
    summaries: list[str]

    def lines(self) -> list[str]:
        """One line per thing, for people."""
        return [
            *(f"date {ds}" for ds in self.dates),
            *(f"version {table} {run_id}" for table, run_id in self.versions),
            *(f"record {run_id}" for run_id in self.records),
            *(f"model {run_id}" for run_id in self.models),
            *(f"work {ds}" for ds in self.work),
            *(f"mapped {folder} {name}" for folder, name in self.mapped),
            *(f"summary {run_id}" for run_id in self.summaries),
        ]


def plan(found: Inventory, settings: RetentionSettings, today: date) -> Plan:
    """What is old and needed by nothing that stays.

    Args:
        found: what there is.
        settings: `[retention]`.
        today: the logical date that ages are counted from.
    """
    newest = max(found.manifests, default=None)
    past = _Old(today, settings.published_days)
    dates = [ds for ds in found.manifests if past(ds) and ds != newest]
    old = _Old(today, settings.unseen_days)
    kept = [manifest for ds, manifest in found.manifests.items() if ds not in dates]
    shown = {run_id for manifest in kept for run_id in (manifest["run_id"], manifest["replaced"]) if run_id}
    shown |= set(found.under_way)
    records = _left(list(found.records), old, shown)
    needed = {record["model"]["run_id"] for run_id, record in found.records.items() if run_id not in records}
    needed |= {*(manifest["model"]["run_id"] for manifest in kept), *found.under_way}
    return Plan(
        dates=sorted(dates),
        versions=sorted(
            (t, run) for t, runs in found.versions.items() for run in runs if old(run) and run not in shown
        ),
        records=sorted(records),
        models=_left(found.models, old, needed),
        work=_left([ds for ds, finished in found.work.items() if finished], _Old(today, settings.work_days), set()),
        mapped=sorted(
            (folder, name)
            for (folder, name), replaced in found.mapped.items()
            if _Old(today, settings.mapped_days)(name) or (replaced and old(name))
        ),
        summaries=_left(found.summaries, _Old(today, settings.summary_days), shown),
    )


@dataclass(frozen=True)
class _Old:
    """Whether a date, or a run by the date that its id begins with, is so many days back or more; none: never."""

    today: date
    days: int | None

    def __call__(self, name: str) -> bool:
        return self.days is not None and name[:10] <= str(self.today - timedelta(days=self.days))


def _left(names: Sequence[str], old: _Old, needed: set[str]) -> list[str]:
    return sorted(name for name in names if old(name) and name not in needed)
