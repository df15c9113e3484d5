"""What jobs/retain.py deletes: decided from names and manifests alone, so that every rule is tested without files.

The published version of a date, the version that it replaced and the models of both are kept as long as the date; the
newest date is always kept. What no manifest names (replaced, unpublished or refused by the gate) is kept for some days,
so that running queries can end and a rollback finds it. Ages are days before a given logical date, never of the clock;
only the versions of a Delta or Iceberg table have the times of their commits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from bgmrec.config.serving import RetentionSettings


@dataclass(frozen=True)
class Inventory:
    """Everything below a root that retention looks at.

    Args:
        manifests: published date → its manifest.
        records: run id → what it published, whether readers still see it or not.
        versions: published table → run ids of its version folders.
        models: run ids in the model store.
        work: date → whether its run is finished.
        summaries: run ids.
        row_cache: (folder, name) of batches of cached rows → whether newer batches hold all of its files; names begin
            with a date.
        unfinished: run ids of unfinished runs, whose model or tables may be stored already.
        snapshots: run ids whose files a reader of a Delta or Iceberg table may still read.
    """

    manifests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    models: Sequence[str] = ()
    work: Mapping[str, bool] = field(default_factory=dict)
    summaries: Sequence[str] = ()
    row_cache: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    unfinished: Sequence[str] = ()
    snapshots: Collection[str] = ()


@dataclass(frozen=True)
class Deletions:
    """What is deleted, in this order: first what readers look up, then the files.

    Args:
        dates: published dates, from catalogue and manifests.
        versions: (table, run id) of version folders.
        records: run ids.
        models: run ids.
        work: dates.
        row_cache: (folder, name) of batches of cached rows.
        summaries: run ids, with their reports.
    """

    dates: list[str]
    versions: list[tuple[str, str]]
    records: list[str]
    models: list[str]
    work: list[str]
    row_cache: list[tuple[str, str]]
    summaries: list[str]

    def lines(self) -> list[str]:
        """One line per deletion, for people."""
        return [
            *(f"date {ds}" for ds in self.dates),
            *(f"version {table} {run_id}" for table, run_id in self.versions),
            *(f"record {run_id}" for run_id in self.records),
            *(f"model {run_id}" for run_id in self.models),
            *(f"work {ds}" for ds in self.work),
            *(f"cached rows {folder} {name}" for folder, name in self.row_cache),
            *(f"summary {run_id}" for run_id in self.summaries),
        ]

    def logical_dates(self) -> list[str]:
        """Logical dates of everything that is deleted, ascending. A run id and a batch begin with theirs."""
        names = [*self.dates, *self.records, *self.models, *self.work, *self.summaries]
        names += [name for _, name in (*self.versions, *self.row_cache)]
        return sorted({name[:10] for name in names})

    def of(self, logical_dates: Sequence[str]) -> Deletions:
        """Only what belongs to these logical dates.

        Args:
            logical_dates: YYYY-MM-DD.
        """
        return Deletions(
            dates=[ds for ds in self.dates if ds in logical_dates],
            versions=[(table, run_id) for table, run_id in self.versions if run_id[:10] in logical_dates],
            records=[run_id for run_id in self.records if run_id[:10] in logical_dates],
            models=[run_id for run_id in self.models if run_id[:10] in logical_dates],
            work=[ds for ds in self.work if ds in logical_dates],
            row_cache=[(folder, name) for folder, name in self.row_cache if name[:10] in logical_dates],
            summaries=[run_id for run_id in self.summaries if run_id[:10] in logical_dates],
        )


def deletions(inventory: Inventory, settings: RetentionSettings, today: date) -> Deletions:
    """Everything that is old enough and that nothing needs that is kept.

    Args:
        inventory: everything below the root.
        settings: `[retention]`.
        today: the logical date from which ages are counted back.
    """
    newest = max(inventory.manifests, default=None)
    is_old_date = _IsOld(today, settings.published_days)
    dates = [ds for ds in inventory.manifests if is_old_date(ds) and ds != newest]
    is_old = _IsOld(today, settings.unreferenced_days)
    manifests = [manifest for ds, manifest in inventory.manifests.items() if ds not in dates]
    referenced = {run_id for manifest in manifests for run_id in (manifest["run_id"], manifest["replaced"]) if run_id}
    referenced |= {*inventory.unfinished, *inventory.snapshots}
    records = _unneeded(list(inventory.records), is_old, referenced)
    models = {record["model"]["run_id"] for run_id, record in inventory.records.items() if run_id not in records}
    models |= {*(manifest["model"]["run_id"] for manifest in manifests), *inventory.unfinished}
    finished = [ds for ds, is_finished in inventory.work.items() if is_finished]
    return Deletions(
        dates=sorted(dates),
        versions=sorted(
            (table, run_id)
            for table, run_ids in inventory.versions.items()
            for run_id in _unneeded(run_ids, is_old, referenced)
        ),
        records=records,
        models=_unneeded(inventory.models, is_old, models),
        work=_unneeded(finished, _IsOld(today, settings.work_days), set()),
        row_cache=sorted(
            (folder, name)
            for (folder, name), replaced in inventory.row_cache.items()
            if _IsOld(today, settings.row_cache_days)(name) or (replaced and is_old(name))
        ),
        summaries=_unneeded(inventory.summaries, _IsOld(today, settings.summary_days), referenced),
    )


@dataclass(frozen=True)
class _IsOld:
    """Whether the date that a name begins with is at least so many days before `today`; None: never."""

    today: date
    days: int | None

    def __call__(self, name: str) -> bool:
        return self.days is not None and name[:10] <= str(self.today - timedelta(days=self.days))


def _unneeded(names: Sequence[str], is_old: _IsOld, needed: set[str]) -> list[str]:
    return sorted(name for name in names if is_old(name) and name not in needed)
