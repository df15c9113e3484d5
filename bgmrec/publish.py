"""Published tables: written beside what readers see, then switched to.

Layout below `<root>/published`:

    <table>/ds=2025-01-31/run_id=<run>/part-….parquet   one immutable version per run
    _manifests/2025-01-31.json                          which version of each table is the published one

The manifest is one file, replaced atomically for all tables together; readers by path take the location
from it. Readers through the catalogue see the partition's location, switched right after. A version that
was replaced stays until the logical date is published again, so that a query under way can end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from bgmrec import columns as c
from bgmrec import files
from bgmrec.errors import PublishingError
from bgmrec.schemas import TABLES
from bgmrec.tables import Tables

MANIFESTS = "_manifests"


@dataclass(frozen=True)
class Shelf:
    """The published tables below one root."""

    tables: Tables

    def manifest(self, ds: str) -> dict[str, Any] | None:
        """What is published for a logical date: `run_id` and per table `location` and `rows`."""
        return self.tables.below(MANIFESTS).read_json(ds)

    def dates(self) -> list[str]:
        """Published logical dates, rising."""
        found = files.glob(self.tables.spark, f"{self.tables.path(MANIFESTS)}/????-??-??.json")
        return [path.rsplit("/", 1)[-1].removesuffix(".json") for path in found]

    def last_run_before(self, ds: str) -> str | None:
        """The run published for the newest earlier logical date."""
        earlier = [date for date in self.dates() if date < ds]
        manifest = self.manifest(earlier[-1]) if earlier else None
        return None if manifest is None else str(manifest["run_id"])

    def read(self, table: str, ds: str) -> DataFrame:
        """The published version of a table.

        Raises:
            PublishingError: nothing is published for the date.
        """
        manifest = self.manifest(ds)
        if manifest is None:
            raise PublishingError(
                f"nothing is published for {ds}",
                where=self.tables.path(MANIFESTS),
                found=f"published dates: {', '.join(self.dates()) or 'none'}",
                cure=f"run jobs/nightly.py --ds {ds}",
            )
        return self.tables.spark.read.schema(TABLES[table]).parquet(manifest["tables"][table]["location"])

    def stage(self, df: DataFrame, table: str, ds: str, run_id: str) -> str:
        """Writes a version that nobody sees yet; returns its location."""
        version = self.tables.below(table).below(f"{c.DS}={ds}")
        version.write(df, f"{c.RUN_ID}={run_id}", TABLES[table])
        return files.absolute(self.tables.spark, version.path(f"{c.RUN_ID}={run_id}"))

    def switch(self, ds: str, run_id: str, staged: dict[str, dict[str, Any]], database: str | None) -> None:
        """Makes the staged versions the published ones: manifest first, then the catalogue.

        Args:
            ds: logical date.
            run_id: the run that staged them.
            staged: table → `location` and `rows`.
            database: of the session's catalogue; none leaves the catalogue alone.

        Raises:
            PublishingError: the catalogue refused; the manifest is put back.
        """
        before = self.manifest(ds)
        manifests = self.tables.below(MANIFESTS)
        manifests.write_json(ds, {"ds": ds, "run_id": run_id, "tables": staged, "replaced": _replaced(before, run_id)})
        if database is not None:
            try:
                for table, facts in staged.items():
                    self._switch_partition(database, table, ds, facts["location"])
            except PySparkException as error:
                self._put_back(ds, before, database)
                raise PublishingError(
                    f"the catalogue refused to switch {database} to {run_id}",
                    where=f"database {database}",
                    found=str(error).splitlines()[0],
                    cure="check the metastore, then run the same command again; the former partitions stay published",
                ) from error
        self._sweep(ds, run_id, before)

    def _put_back(self, ds: str, before: dict[str, Any] | None, database: str) -> None:
        manifests = self.tables.below(MANIFESTS)
        if before is None:
            files.delete(self.tables.spark, f"{manifests.path(ds)}.json")
            return
        manifests.write_json(ds, before)
        for table, facts in before["tables"].items():
            if self.tables.spark.catalog.tableExists(f"`{database}`.`{table}`"):
                self._set_location(database, table, ds, facts["location"])

    def _switch_partition(self, database: str, table: str, ds: str, location: str) -> None:
        spark = self.tables.spark
        spark.sql(f"CREATE DATABASE IF NOT EXISTS `{database}`")
        home = files.absolute(spark, self.tables.path(table))
        spark.sql(
            f"CREATE TABLE IF NOT EXISTS `{database}`.`{table}` ({_columns_ddl(TABLES[table])}) "
            f"USING PARQUET PARTITIONED BY ({c.DS}) LOCATION '{_quoted(home)}'"
        )
        partition = f"PARTITION ({c.DS} = '{ds}') LOCATION '{_quoted(location)}'"
        spark.sql(f"ALTER TABLE `{database}`.`{table}` ADD IF NOT EXISTS {partition}")
        self._set_location(database, table, ds, location)

    def _set_location(self, database: str, table: str, ds: str, location: str) -> None:
        # one metastore transaction: a reader plans with the old location or with the new one
        self.tables.spark.sql(
            f"ALTER TABLE `{database}`.`{table}` PARTITION ({c.DS} = '{ds}') SET LOCATION '{_quoted(location)}'"
        )
        self.tables.spark.catalog.refreshTable(f"`{database}`.`{table}`")

    def _sweep(self, ds: str, run_id: str, before: dict[str, Any] | None) -> None:
        keep = {run_id, before["run_id"] if before else run_id}
        for path in files.glob(self.tables.spark, f"{self.tables.root}/*/{c.DS}={ds}/{c.RUN_ID}=*"):
            if path.rsplit("=", 1)[-1] not in keep:
                files.delete(self.tables.spark, path)


def _replaced(before: dict[str, Any] | None, run_id: str) -> str | None:
    return before["run_id"] if before and before["run_id"] != run_id else None


def _columns_ddl(schema: StructType) -> str:
    return ", ".join(
        f"`{field.name}` {field.dataType.simpleString()} COMMENT '{_quoted(field.metadata['comment'])}'"
        for field in schema
    )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
