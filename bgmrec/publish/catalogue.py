"""Published tables in a Spark catalogue: one partition per logical date, and a view of the newest date.

Each change that readers see is one transaction of the metastore: a query uses either the old or the new location of a
partition, and either the old or the new date of a view.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pyspark.sql import SparkSession

from bgmrec.errors import PublishingError
from bgmrec.publish.contracts import CONTRACTS, Contract, column_ddl, columns_ddl, quoted
from bgmrec.storage import columns as c


@dataclass(frozen=True)
class Catalogue:
    """One database of the session's catalogue.

    Args:
        spark: the session.
        database: name of the database; `prepare` creates it.
    """

    spark: SparkSession
    database: str

    def has(self, name: str) -> bool:
        """Whether the database has a table or view of that name.

        Args:
            name: without the database.
        """
        return bool(self.spark.catalog.tableExists(self._named(name)))

    def prepare(self, contract: Contract, location: str) -> None:
        """Creates the table, or adds the columns that its contract has gained.

        Args:
            contract: of the table.
            location: folder of a new table, with its scheme.

        Raises:
            PublishingError: the existing table has a column of another type.
        """
        self.spark.sql(f"CREATE DATABASE IF NOT EXISTS `{self.database}`")
        if not self.has(contract.table):
            self.spark.sql(
                f"CREATE TABLE IF NOT EXISTS {self._named(contract.table)} ({columns_ddl(contract)}) "
                f"USING PARQUET PARTITIONED BY ({c.DS}) LOCATION '{quoted(location)}'"
            )
        self._add_columns(contract)

    def _add_columns(self, contract: Contract) -> None:
        types = {field.name: field.dataType for field in self.spark.table(self._named(contract.table)).schema}
        for field in contract.schema:
            if types.get(field.name, field.dataType) != field.dataType:
                raise PublishingError(
                    f"column {field.name} of {self.database}.{contract.table} has another type than its contract",
                    where=f"{self.database}.{contract.table}",
                    expected=field.dataType.simpleString(),
                    found=types[field.name].simpleString(),
                    hint="a column never changes its type: publish into another database (publish.database)",
                )
        if new := [column_ddl(field) for field in contract.schema if field.name not in types]:
            # older partitions read null in the new columns
            self.spark.sql(f"ALTER TABLE {self._named(contract.table)} ADD COLUMNS ({', '.join(new)})")

    def set_partition(self, table: str, ds: str, location: str) -> None:
        """Sets the location of a date's partition, and adds the partition if it is missing.

        Args:
            table: name of a table of the database.
            ds: logical date, YYYY-MM-DD.
            location: folder with the Parquet files, with its scheme.
        """
        partition = f"PARTITION ({c.DS} = '{ds}')"
        name, at = self._named(table), f"LOCATION '{quoted(location)}'"
        self.spark.sql(f"ALTER TABLE {name} ADD IF NOT EXISTS {partition} {at}")
        self.spark.sql(f"ALTER TABLE {name} {partition} SET {at}")
        self.spark.catalog.refreshTable(name)

    def partitions(self, table: str) -> list[str]:
        """Dates of the table's partitions, ascending.

        Args:
            table: name of a table of the database.
        """
        rows = self.spark.sql(f"SHOW PARTITIONS {self._named(table)}").collect()
        return sorted(str(row[0]).split("=", 1)[1] for row in rows)

    def drop_partition(self, table: str, ds: str) -> None:
        """Removes a date from the table; its files are kept.

        Args:
            table: name of a table of the database.
            ds: logical date, YYYY-MM-DD.
        """
        self.spark.sql(f"ALTER TABLE {self._named(table)} DROP IF EXISTS PARTITION ({c.DS} = '{ds}')")
        self.spark.catalog.refreshTable(self._named(table))

    def set_current(self, contract: Contract, ds: str) -> None:
        """Lets the view `<table>_current` select a date.

        Args:
            contract: of a table of the database.
            ds: logical date, YYYY-MM-DD.
        """
        names = ", ".join(f"`{name}`" for name in contract.schema.names)
        query = f"AS SELECT {names} FROM {self._named(contract.table)} WHERE {c.DS} = '{ds}'"
        if self.has(contract.current):
            # one transaction; CREATE OR REPLACE drops the view first, and a query in between fails
            self.spark.sql(f"ALTER VIEW {self._named(contract.current)} {query}")
        else:
            comment = f"the newest published logical date of {contract.table}"
            self.spark.sql(f"CREATE VIEW {self._named(contract.current)} COMMENT '{comment}' {query}")

    def drop_current(self, contract: Contract) -> None:
        """Drops the view `<table>_current`, for a table that the newest date does not publish.

        Args:
            contract: of a table of the database.
        """
        self.spark.sql(f"DROP VIEW IF EXISTS {self._named(contract.current)}")

    def show_date(self, ds: str, roots: Mapping[str, str], locations: Mapping[str, str]) -> None:
        """Sets the partitions of a date, and drops those of tables that the date does not have.

        Args:
            ds: logical date, YYYY-MM-DD.
            roots: table → folder of a new table, with its scheme.
            locations: table → folder with the date's Parquet files, with its scheme.

        Raises:
            PublishingError: an existing table has a column of another type.
        """
        for table, location in locations.items():
            self.prepare(CONTRACTS[table], roots[table])
            self.set_partition(table, ds, location)
        for table in filter(self.has, CONTRACTS.keys() - locations.keys()):
            self.drop_partition(table, ds)  # of a replaced version, whose files jobs/retain.py deletes

    def show_newest(self, ds: str, tables: Collection[str]) -> None:
        """Lets the views of the tables select a date, and drops the views of the others.

        Args:
            ds: the newest logical date, YYYY-MM-DD.
            tables: names of the tables that the date has.
        """
        for contract in (contract for table, contract in CONTRACTS.items() if self.has(table)):
            if contract.table in tables:
                self.set_current(contract, ds)
            else:
                self.drop_current(contract)

    def drop_date(self, ds: str) -> None:
        """Removes a date from all tables; its files are kept.

        Args:
            ds: logical date, YYYY-MM-DD.
        """
        for table in filter(self.has, CONTRACTS):
            self.drop_partition(table, ds)

    def _named(self, name: str) -> str:
        return f"`{self.database}`.`{name}`"
