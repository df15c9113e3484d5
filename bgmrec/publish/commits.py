"""Commits of a table format, as part of publishing and unpublishing below one root.

The commits of all tables come after the record of the run and before the manifest, which names the versions that they
made. If publishing is interrupted in between, readers of a table may see the new version of one table and the former
version of another, each of them whole; readers of the manifest see the former versions. The same command completes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bgmrec.errors import PublishingError
from bgmrec.publish.contracts import CONTRACTS
from bgmrec.publish.formats.base import PARQUET, Staged, StagedFile, Target, version_folder
from bgmrec.publish.formats.lakehouse import Lakehouse
from bgmrec.publish.locations import reader_location
from bgmrec.storage import files
from bgmrec.storage.tables import Tables

FORMAT = "format"  # of a record; none: plain Parquet


def in_format(record: dict[str, Any], stored: dict[str, Any] | None, format_name: str) -> dict[str, Any]:
    """The record, which names its format unless it is plain Parquet.

    Args:
        record: of a run that is published.
        stored: the same, as the run stored it; None: it is published for the first time.
        format_name: of the format that it is published in.

    Raises:
        PublishingError: the run's tables were written in another format.
    """
    written = format_name if stored is None else stored.get(FORMAT, PARQUET)
    if written != format_name:
        raise PublishingError(
            f"the tables of {record['run_id']} were written as {written}; they cannot be published as {format_name}",
            where=f"the record of {record['run_id']}",
            expected=f"tables that were written with publish.format = {format_name}",
            found=written,
            hint=f"set publish.format = {written} for this run; a new run of the date can have another format",
        )
    return record if written == PARQUET else {**record, FORMAT: written}


@dataclass(frozen=True)
class Commits:
    """The published tables of one root as tables of a format.

    Args:
        tables: the folder `<root>/published`.
        format: of the tables.
    """

    tables: Tables
    format: Lakehouse

    def publish(self, record: dict[str, Any], previous: dict[str, Any] | None) -> dict[str, Any]:
        """Commits a run's versions, and removes its date from the tables that it does not publish.

        Args:
            record: of the run.
            previous: the manifest of the date.

        Returns:
            the record, with the table and version of each commit.

        Raises:
            PublishingError: the record is of another format, another writer was at work, or the format refused; the
                tables have the former versions of the date again.
        """
        committed: list[str] = []
        with self._undone_on_failure(record, previous, committed):
            tables = {}
            for table, facts in record["tables"].items():
                tables[table] = {**facts, **self.format.commit(self._target(table), self._staged(record, table))}
                committed.append(table)
            for table in CONTRACTS.keys() - tables.keys():
                self.format.remove(self._target(table), [record["ds"]])
        return {**record, "tables": tables}

    def remove(self, dates: Sequence[str]) -> None:
        """Removes dates from all tables.

        Args:
            dates: YYYY-MM-DD.

        Raises:
            PublishingError: another writer was at work, or the format refused.
        """
        if dates:
            for table in CONTRACTS:
                self.format.remove(self._target(table), dates)

    def dates(self) -> set[str]:
        """Logical dates that some table has."""
        return {ds for table in CONTRACTS for ds in self.format.dates(self._target(table))}

    def runs_in_use(self, since: datetime | None, latest: dict[str, Any] | None) -> set[str]:
        """Runs whose files a reader of a table may still read.

        Args:
            since: readers that began earlier have ended; with a time zone. None: no reader ever ends.
            latest: the newest manifest, whose versions of the tables stay whole, with all dates that they had.
        """
        runs: set[str] = set()
        for table in CONTRACTS:
            facts = {} if latest is None else latest["tables"].get(table, {})
            runs |= self.format.runs_in_use(self._target(table), since, facts.get("version"))
        return runs

    def expire(self, since: datetime, manifests: Collection[dict[str, Any]]) -> None:
        """Forgets versions that were replaced before a time and that no manifest names.

        Args:
            since: with a time zone.
            manifests: of all published dates.
        """
        for table in CONTRACTS:
            facts = [manifest["tables"][table] for manifest in manifests if table in manifest["tables"]]
            self.format.expire(self._target(table), since, {each["version"] for each in facts if "version" in each})

    @contextmanager
    def _undone_on_failure(
        self, record: dict[str, Any], previous: dict[str, Any] | None, committed: Sequence[str]
    ) -> Iterator[None]:
        """Commits the former versions again for the tables that were committed."""
        try:
            yield
        except PublishingError:
            for table in committed:
                with suppress(PublishingError):  # the table that refused may refuse again
                    was_published = previous is not None and table in previous["tables"] and self._has_format(previous)
                    former = self._staged(previous, table) if previous is not None and was_published else None
                    self.format.undo(self._target(table), self._staged(record, table), former)
            raise

    def _has_format(self, record: dict[str, Any]) -> bool:
        return bool(record.get(FORMAT, PARQUET) == self.format.name)

    def _target(self, table: str) -> Target:
        spark = self.tables.spark
        root = reader_location(files.absolute(spark, self.tables.path(table)), files.absolute(spark, "/"))
        return Target(CONTRACTS[table], root)

    def _staged(self, record: dict[str, Any], table: str) -> Staged:
        below = version_folder(table, record["run_id"], self.format.name)
        found = files.statuses(self.tables.spark, self.tables.path(below))
        names = below.removeprefix(f"{table}/")
        parts = [
            StagedFile(f"{names}/{file.name}", file.size, file.changed)
            for file in found
            if not file.name.startswith(("_", "."))
        ]
        return Staged(record["ds"], record["run_id"], record["tables"][table]["rows"], tuple(parts))
