"""What changes what readers see: a run's versions are promoted, dates are unpublished.

A manifest is one file, replaced atomically for all tables and the model together; readers by path take locations from
it. Readers of the catalogue see the partition's location, which is changed right after; Delta and Iceberg tables are
committed right before (commits.py). Nothing is deleted: a replaced version is kept for running queries and for a
rollback, until jobs/retain.py deletes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pyspark.errors import PySparkException

from bgmrec.errors import PublishingError
from bgmrec.publish.commits import in_format
from bgmrec.publish.contracts import CONTRACTS
from bgmrec.publish.versions import LATEST, Versions
from bgmrec.storage import files
from bgmrec.storage.tables import Tables


def promote(versions: Versions, record: dict[str, Any], *, rolled_back: bool = False) -> None:
    """Publishes a run's versions for its date, and as `latest` unless a later date is published.

    If it is interrupted at any point, calling it again ends in the same state.

    Args:
        versions: of one root.
        record: `ds`, `run_id`, `tables` (table → `location`, `rows`), `model` and further facts.
        rolled_back: whether a rollback chose this version; noted in the manifest.

    Raises:
        PublishingError: the catalogue or the format refused; the previous version is restored.
    """
    ds, run_id = record["ds"], record["run_id"]
    previous = versions.manifest(ds)
    replaced = _replaced(previous, run_id)
    record = in_format(record, versions.record(run_id), versions.format_name)
    _write(versions, versions.records, run_id, record)
    published = record if versions.commits is None else versions.commits.publish(record, previous)
    with _restored_on_failure(versions, ds, previous):
        _write(versions, versions.manifests, ds, {**published, "replaced": replaced, "rolled_back": rolled_back})
        _update_latest(versions)
        _update_catalogue(versions, ds)


def unpublish_after(versions: Versions, ds: str, dates: Sequence[str]) -> None:
    """Removes later dates from what readers see, so that `latest` is this one.

    Their versions and records are kept: `promote` with one of their records publishes them again.

    Args:
        versions: of one root.
        ds: the logical date that becomes the newest.
        dates: `versions.dates_after(ds)`; the caller holds their locks.
    """
    for date in dates:
        files.delete(versions.tables.spark, f"{versions.manifests.path(date)}.json")
    _update_latest(versions)
    _update_catalogue(versions, ds)
    if versions.catalogue is not None:
        for date in dates:
            versions.catalogue.drop_date(date)
    if versions.commits is not None:
        versions.commits.remove(dates)


def unpublish(versions: Versions, ds: str) -> None:
    """Removes a date from what readers see, first from catalogue and tables; its versions and records are kept.

    Args:
        versions: of one root.
        ds: a logical date that is not the newest one: `latest` is not changed.
    """
    if versions.catalogue is not None:
        versions.catalogue.drop_date(ds)
    if versions.commits is not None:
        versions.commits.remove([ds])
    files.delete(versions.tables.spark, f"{versions.manifests.path(ds)}.json")


def _update_latest(versions: Versions) -> None:
    """Copies the newest manifest to `latest`, again if another date is published meanwhile."""
    while (newest := _newest(versions)) != versions.latest():
        if newest is None:
            files.delete(versions.tables.spark, f"{versions.manifests.path(LATEST)}.json")
        else:
            _write(versions, versions.manifests, LATEST, newest)


def _newest(versions: Versions) -> dict[str, Any] | None:
    dates = versions.dates()
    return versions.manifest(dates[-1]) if dates else None


def _write(versions: Versions, folder: Tables, name: str, document: dict[str, Any]) -> None:
    folder.write_json(name, document)
    if versions.mode is not None:
        files.set_mode(versions.tables.spark, f"{folder.path(name)}.json", versions.mode)


def _update_catalogue(versions: Versions, ds: str) -> None:
    """Sets the partitions of a date to its manifest, and the views to `latest`."""
    manifest, catalogue = versions.manifest(ds), versions.catalogue
    if catalogue is None or manifest is None:
        return
    tables = versions.tables
    roots = {table: files.absolute(tables.spark, tables.path(table)) for table in manifest["tables"]}
    catalogue.show_date(ds, roots, {table: versions.folder(table, manifest["run_id"]) for table in roots})
    current = None
    while (latest := versions.latest()) is not None and latest["ds"] != current:
        catalogue.show_newest(latest["ds"], latest["tables"])
        current = latest["ds"]


@contextmanager
def _restored_on_failure(versions: Versions, ds: str, previous: dict[str, Any] | None) -> Iterator[None]:
    """Restores the previous manifest, `latest` and partitions if the catalogue refuses."""
    try:
        yield
    except (PySparkException, PublishingError) as error:
        if previous is None:
            files.delete(versions.tables.spark, f"{versions.manifests.path(ds)}.json")
        else:
            _write(versions, versions.manifests, ds, previous)
        _update_latest(versions)
        _restore_partitions(versions, ds, previous)
        raise PublishingError(
            f"the catalogue refused the new version of {ds}; the previous one is still published",
            where=f"database {versions.database}",
            expected="partitions and views that can be changed",
            found=str(error).splitlines()[0],
            hint="check the metastore, then run the same command again",
        ) from error


def _restore_partitions(versions: Versions, ds: str, previous: dict[str, Any] | None) -> None:
    catalogue = versions.catalogue
    if catalogue is None:
        return
    for table in CONTRACTS:
        with suppress(PySparkException):  # the table that refused may refuse again
            if previous is not None and table in previous["tables"]:
                catalogue.set_partition(table, ds, versions.folder(table, previous["run_id"]))
            else:
                catalogue.drop_partition(table, ds)


def _replaced(previous: dict[str, Any] | None, run_id: str) -> str | None:
    """Id of the run to which a rollback of this one returns."""
    if previous is None:
        return None
    replaced = previous["replaced"] if previous["run_id"] == run_id else previous["run_id"]
    return None if replaced is None else str(replaced)
