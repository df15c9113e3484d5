"""Delta Lake through delta-rs, without a JVM jar: `pip install '.[delta]'`.

The table's folder is `<root>/published/<table>`; its log is in `_delta_log`. Paths in the log are relative, so that the
folder can be moved or mounted elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import ceil
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError
from deltalake.fs import DeltaStorageHandler
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction
from pyspark.sql import types as t

from bgmrec.errors import PublishingError
from bgmrec.publish.contracts import Contract
from bgmrec.publish.formats.base import Staged, StagedFile, Target
from bgmrec.publish.formats.footers import delta_statistics
from bgmrec.publish.formats.table import Commit, Conflict, Runs, replaced_runs, run_of, superseded
from bgmrec.storage import columns as c

_TYPES: dict[type[t.DataType], str] = {
    t.StringType: "string",
    t.IntegerType: "integer",
    t.LongType: "long",
    t.FloatType: "float",
    t.DoubleType: "double",
}
_READERS = 8  # footers that are read at once
_LOG_DAYS = "delta.logRetentionDuration"
_LOG_MARGIN = timedelta(days=2)  # a file of the log may be older than the time that it states


@dataclass(frozen=True)
class Delta:
    """Opens Delta tables by the folder that they are in.

    Args:
        storage_options: of delta-rs, with their secrets.
    """

    storage_options: Mapping[str, str]
    name = "delta"

    def open(self, target: Target) -> _Table | None:
        """See `Connection`."""
        options = dict(self.storage_options)
        if not DeltaTable.is_deltatable(target.root, options):
            return None
        return _Table(DeltaTable(target.root, storage_options=options), target, options)

    def create(self, target: Target) -> None:
        """See `Connection`."""
        DeltaTable.create(
            target.root,
            _schema(target.contract),
            mode="ignore",
            partition_by=[c.DS],
            name=target.contract.table,
            description=target.contract.meaning,
            # jobs/retain.py cleans the log, because it knows what manifests name
            configuration={"delta.enableExpiredLogCleanup": "false"},
            storage_options=dict(self.storage_options),
        )

    def reader_name(self, target: Target) -> str:
        """The folder of the table."""
        return target.root


@dataclass(frozen=True)
class _Table:
    """See `LakeTable`."""

    table: DeltaTable
    target: Target
    storage_options: dict[str, str]

    @property
    def version(self) -> int:
        return self.table.version()

    def runs_of(self, version: int) -> Runs:
        table = DeltaTable(self.target.root, version=version, storage_options=self.storage_options)
        return replace(self, table=table).runs()

    def runs(self, dates: Sequence[str] | None = None) -> Runs:
        runs: Runs = {}
        actions = pa.table(self.table.get_add_actions(flatten=True))
        for path, ds in zip(actions["path"].to_pylist(), actions[f"partition.{c.DS}"].to_pylist(), strict=True):
            if dates is None or ds in dates:
                runs.setdefault(ds, set()).add(run_of(path))
        return runs

    def replace(self, dates: Sequence[str], staged: Staged | None, facts: Mapping[str, str]) -> None:
        try:
            self.table.create_write_transaction(
                [*self._actions(staged)] if staged is not None else [],
                mode="overwrite",
                schema=self._wide_schema(),
                partition_by=[c.DS],
                partition_filters=[(c.DS, "in", list(dates))],
                commit_properties=CommitProperties(custom_metadata=dict(facts)),
            )
        except CommitFailedError as error:
            raise Conflict(str(error)) from error

    def commits(self) -> list[Commit]:
        return [
            Commit(entry["version"], _time(entry["timestamp"]), replaced_runs(entry))
            for entry in reversed(self.table.history())
        ]

    def expire(self, since: datetime, keep: Collection[int]) -> None:
        """Cleans the log before the versions that are needed; delta-rs does it by age, in days."""
        commits = self.commits()
        old = {commit.version for commit in superseded(commits, since)} - set(keep)
        oldest = next(commit for commit in commits if commit.version not in old)
        if oldest is commits[0]:
            return
        days = ceil((datetime.now(UTC) - oldest.time + _LOG_MARGIN) / timedelta(days=1))
        interval = f"interval {days} days"
        if self.table.metadata().configuration.get(_LOG_DAYS) != interval:
            self.table.alter.set_table_properties({_LOG_DAYS: interval})
        DeltaTable(self.target.root, storage_options=self.storage_options).cleanup_metadata()

    def _wide_schema(self) -> Schema:
        """The table's columns and those that its contract has gained."""
        existing = {field.name: field for field in self.table.schema().fields}
        for field in _schema(self.target.contract).fields:
            if existing.setdefault(field.name, field).type != field.type:
                raise PublishingError(
                    f"column {field.name} of the Delta table {self.target.contract.table} has another type than its "
                    "contract",
                    where=self.target.root,
                    expected=str(field.type),
                    found=str(existing[field.name].type),
                    hint="a column never changes its type: publish below another root (paths.root)",
                )
        return Schema(list(existing.values()))

    def _actions(self, staged: Staged) -> list[AddAction]:
        """The staged files that have rows."""
        with ThreadPoolExecutor(_READERS) as pool:
            footers = pool.map(lambda file: pq.read_metadata(file.path, filesystem=self._files), staged.files)
            return [
                _action(staged, file, footer)
                for file, footer in zip(staged.files, footers, strict=True)
                if footer.num_rows
            ]

    @cached_property
    def _files(self) -> Any:
        """The files below the table's folder, with the storage options of the table."""
        return pyarrow.fs.PyFileSystem(DeltaStorageHandler(self.target.root, self.storage_options))


def _action(staged: Staged, file: StagedFile, footer: pq.FileMetaData) -> AddAction:
    return AddAction(
        path=file.path,
        size=file.size,
        partition_values={c.DS: staged.ds},
        modification_time=file.changed,
        data_change=True,
        stats=delta_statistics(footer, without=c.DS),
    )


def _schema(contract: Contract) -> Schema:
    """The columns, all nullable: old partitions lack the columns that were added later."""
    return Schema(
        [
            Field(
                field.name,
                PrimitiveType(_TYPES[type(field.dataType)]),
                metadata={"comment": field.metadata["comment"]},
            )
            for field in contract.schema
        ]
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
