"""Apache Iceberg through pyiceberg, without a JVM jar: `pip install '.[iceberg]'`.

A table is named `<publish.database>.<table>` in the catalogue of `[publish.iceberg]`; its folder is
`<root>/published/<table>`, with Iceberg's own files in `metadata`. Iceberg takes the date of a file from its column
`ds`: a file that has it in its folder's name only would be committed with a null date.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchNamespaceError, NoSuchTableError, ValidationException
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table, TableProperties, Transaction
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DoubleType, FloatType, IcebergType, IntegerType, LongType, NestedField, StringType
from pyspark.sql import types as t

from bgmrec.errors import PublishingError
from bgmrec.publish.contracts import Contract
from bgmrec.publish.formats.base import Staged, Target
from bgmrec.publish.formats.table import Commit, Conflict, Runs, replaced_runs, run_of, superseded
from bgmrec.storage import columns as c

_TYPES: dict[type[t.DataType], IcebergType] = {
    t.StringType: StringType(),
    t.IntegerType: IntegerType(),
    t.LongType: LongType(),
    t.FloatType: FloatType(),
    t.DoubleType: DoubleType(),
}
_READERS = 8  # footers that are read at once
_CATALOGUE = "bgmrec"  # the name under which pyiceberg keeps the properties; an SQL catalogue stores it with its tables


@dataclass(frozen=True)
class Iceberg:
    """Opens Iceberg tables by their names in a catalogue.

    Args:
        catalogue: pyiceberg's properties of the catalogue, with their secrets.
        namespace: of the tables.
    """

    catalogue: Mapping[str, str]
    namespace: str
    name = "iceberg"

    def open(self, target: Target) -> _Table | None:
        """See `Connection`."""
        try:
            return _Table(self._connected.load_table(self.reader_name(target)), target)
        except (NoSuchTableError, NoSuchNamespaceError):
            return None

    def create(self, target: Target) -> None:
        """See `Connection`."""
        catalogue, schema = self._connected, _schema(target.contract)
        catalogue.create_namespace_if_not_exists(self.namespace)
        ds = schema.find_field(c.DS).field_id
        catalogue.create_table_if_not_exists(
            self.reader_name(target),
            schema,
            location=_uri(target).rstrip("/"),
            partition_spec=PartitionSpec(PartitionField(ds, 1000, IdentityTransform(), c.DS)),
            properties={
                "comment": target.contract.meaning,
                # Spark's files have no field ids
                TableProperties.DEFAULT_NAME_MAPPING: schema.name_mapping.model_dump_json(),
                TableProperties.METADATA_DELETE_AFTER_COMMIT_ENABLED: "true",  # a file for each commit would pile up
                TableProperties.METADATA_PREVIOUS_VERSIONS_MAX: "100",
            },
        )

    def reader_name(self, target: Target) -> str:
        """The name of the table in the catalogue."""
        return f"{self.namespace}.{target.contract.table}"

    @cached_property
    def _connected(self) -> Catalog:
        return load_catalog(_CATALOGUE, **self.catalogue)


@dataclass(frozen=True)
class _Table:
    """See `LakeTable`."""

    table: Table
    target: Target

    @property
    def version(self) -> int | None:
        snapshot = self.table.current_snapshot()
        return None if snapshot is None else snapshot.snapshot_id

    def runs(self, dates: Sequence[str] | None = None) -> Runs:
        return _runs(self._files(dates))

    def runs_of(self, version: int) -> Runs:
        return _runs(task.file for task in self.table.scan(snapshot_id=version).plan_files())

    def replace(self, dates: Sequence[str], staged: Staged | None, facts: Mapping[str, str]) -> None:
        old = self._files(dates)
        try:
            with self.table.transaction() as transaction:
                self._add_columns(transaction)
                new = [] if staged is None else self._staged_files(transaction, staged)
                if not old and not new:
                    return
                with transaction.update_snapshot(snapshot_properties=dict(facts)).overwrite() as snapshot:
                    for file in old:
                        snapshot.delete_data_file(file)
                    for file in new:
                        snapshot.append_data_file(file)
        except (CommitFailedException, ValidationException) as error:
            raise Conflict(str(error)) from error

    def commits(self) -> list[Commit]:
        return [
            Commit(
                snapshot.snapshot_id,
                datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
                replaced_runs(snapshot.summary.additional_properties if snapshot.summary else {}),
            )
            for snapshot in sorted(self.table.snapshots(), key=lambda snapshot: snapshot.sequence_number or 0)
        ]

    def expire(self, since: datetime, keep: Collection[int]) -> None:
        """Also deletes Iceberg's own files of the snapshots, which pyiceberg leaves behind."""
        old = [commit.version for commit in superseded(self.commits(), since) if commit.version not in keep]
        if not old:
            return
        before = self._metadata_files()
        try:
            self.table.maintenance.expire_snapshots().by_ids(old).commit()
        except CommitFailedException as error:
            raise Conflict(str(error)) from error
        self.table.refresh()
        for path in before - self._metadata_files():
            self.table.io.delete(path)

    def _files(self, dates: Sequence[str] | None) -> list[DataFile]:
        chosen = "true" if dates is None else f"{c.DS} in ({', '.join(map(repr, dates))})"
        return [task.file for task in self.table.scan(row_filter=chosen).plan_files()]

    def _metadata_files(self) -> set[str]:
        """Manifest lists and manifests of all snapshots."""
        paths: set[str] = set()
        for snapshot in self.table.snapshots():
            paths.add(snapshot.manifest_list)
            paths.update(manifest.manifest_path for manifest in snapshot.manifests(self.table.io))
        return paths

    def _add_columns(self, transaction: Transaction) -> None:
        """Adds the columns that the contract has gained."""
        schema, existing = _schema(self.target.contract), self.table.schema()
        types = {field.name: field.field_type for field in existing.fields}
        for field in schema.fields:
            if types.get(field.name, field.field_type) != field.field_type:
                raise PublishingError(
                    f"column {field.name} of the Iceberg table {self.target.contract.table} has another type than its "
                    "contract",
                    where=".".join(self.table.name()),
                    expected=str(field.field_type),
                    found=str(types[field.name]),
                    hint="a column never changes its type: publish into another namespace (publish.database)",
                )
        if {field.name for field in schema.fields} <= types.keys():
            return
        with transaction.update_schema() as update:
            update.union_by_name(schema)
        mapping = transaction.table_metadata.schema().name_mapping.model_dump_json()
        transaction.set_properties({TableProperties.DEFAULT_NAME_MAPPING: mapping})

    def _staged_files(self, transaction: Transaction, staged: Staged) -> list[DataFile]:
        """The staged files that have rows."""
        root, metadata = _uri(self.target), transaction.table_metadata

        def described(path: str) -> DataFile:
            return parquet_file_to_data_file(self.table.io, metadata, f"{root}{path}")

        with ThreadPoolExecutor(_READERS) as pool:
            files = [file for file in pool.map(described, [file.path for file in staged.files]) if file.record_count]
        for file in files:
            if file.partition[0] != staged.ds:
                raise PublishingError(
                    f"a file of {self.target.contract.table} has another date in its column {c.DS} than its folder",
                    where=file.file_path,
                    expected=f"{staged.ds} in every row",
                    found=str(file.partition[0]),
                    hint="do not change files of bgmrec; run the date again",
                )
        return files


def _runs(files: Iterable[DataFile]) -> Runs:
    runs: Runs = {}
    for file in files:
        runs.setdefault(file.partition[0], set()).add(run_of(file.file_path))
    return runs


def _schema(contract: Contract) -> Schema:
    """The columns, all optional: old partitions lack the columns that were added later."""
    return Schema(
        *(
            NestedField(number, field.name, _TYPES[type(field.dataType)], False, field.metadata["comment"])
            for number, field in enumerate(contract.schema, 1)
        )
    )


def _uri(target: Target) -> str:
    """The folder of the table with its scheme, which Iceberg's other readers need."""
    return f"file://{target.root}" if target.root.startswith("/") else target.root
