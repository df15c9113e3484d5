"""Published tables in a Spark catalogue: their columns, one partition per logical date, a view of the newest.

Every change that readers see is one transaction of the metastore: a query plans with the old location of a
partition or with the new one, with the old date of a view or with the new one.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import SparkSession

from bgmrec.errors import PublishingError
from bgmrec.publish.contracts import Contract, column_ddl, columns_ddl, quoted
from bgmrec.storage import columns as c


@dataclass(frozen=True)
class Catalogue:
    """One database of the session's catalogue."""

    spark: SparkSession
    database: str

    def has(self, name: str) -> bool:
        return bool(self.spark.catalog.tableExists(self._named(name)))

    def prepare(self, contract: Contract, home: str) -> None:
        """Creates the table, or adds the columns that its contract has gained.

        Raises:
            PublishingError: the table that is there has a column of another type.
        """
        self.spark.sql(f"CREATE DATABASE IF NOT EXISTS `{self.database}`")
        if not self.has(contract.table):
            self.spark.sql(
                f"CREATE TABLE IF NOT EXISTS {self._named(contract.table)} ({columns_ddl(contract)}) "
                f"USING PARQUET PARTITIONED BY ({c.DS}) LOCATION '{quoted(home)}'"
            )
        self._add_columns(contract)

    def _add_columns(self, contract: Contract) -> None:
        known = {field.name: field.dataType for field in self.spark.table(self._named(contract.table)).schema}
        for field in contract.schema:
            if known.get(field.name, field.dataType) != field.dataType:
                raise PublishingError(
                    f"column {field.name} of {self.database}.{contract.table} has another type than its contract",
                    where=f"{self.database}.{contract.table}",
                    expected=field.dataType.simpleString(),
                    found=known[field.name].simpleString(),
                    hint="a contract only gains columns; publish into another database (publish.database)",
                )
        if new := [column_ddl(field) for field in contract.schema if field.name not in known]:
            # partitions written before read null there
            self.spark.sql(f"ALTER TABLE {self._named(contract.table)} ADD COLUMNS ({', '.join(new)})")

    def set_partition(self, table: str, ds: str, location: str) -> None:
        """Makes the files at a location the partition of a date."""
        partition = f"PARTITION ({c.DS} = '{ds}')"
        name, at = self._named(table), f"LOCATION '{quoted(location)}'"
        self.spark.sql(f"ALTER TABLE {name} ADD IF NOT EXISTS {partition} {at}")
        self.spark.sql(f"ALTER TABLE {name} {partition} SET {at}")
        self.spark.catalog.refreshTable(name)

    def partitions(self, table: str) -> list[str]:
        """Dates that the table has a partition of, rising."""
        rows = self.spark.sql(f"SHOW PARTITIONS {self._named(table)}").collect()
        return sorted(str(row[0]).split("=", 1)[1] for row in rows)

    def drop_partition(self, table: str, ds: str) -> None:
        """Takes a date out of the table; its files stay."""
        self.spark.sql(f"ALTER TABLE {self._named(table)} DROP IF EXISTS PARTITION ({c.DS} = '{ds}')")
        self.spark.catalog.refreshTable(self._named(table))

    def set_current(self, contract: Contract, ds: str) -> None:
        """Makes a date the one that the view `<table>_current` shows."""
        names = ", ".join(f"`{name}`" for name in contract.schema.names)
        query = f"AS SELECT {names} FROM {self._named(contract.table)} WHERE {c.DS} = '{ds}'"
        if self.has(contract.current):
            # one transaction; CREATE OR REPLACE drops the view first, and a query in between does not find it
            self.spark.sql(f"ALTER VIEW {self._named(contract.current)} {query}")
        else:
            comment = f"the newest published logical date of {contract.table}"
            self.spark.sql(f"CREATE VIEW {self._named(contract.current)} COMMENT '{comment}' {query}")

    def _named(self, name: str) -> str:
        return f"`{self.database}`.`{name}`"
