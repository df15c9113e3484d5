"""Tables and documents under one root: what is written here is complete or not there at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import BinaryType, StructType

from bgmrec.errors import InputError
from bgmrec.storage import files
from bgmrec.storage.schemas import TABLES, conform


@dataclass(frozen=True)
class Tables:
    """Parquet tables and JSON documents below `root`; a table counts only with Spark's `_SUCCESS` mark.

    Args:
        opened: path → table, for a reader of finished tables: each is looked at once, which is a job of Spark's; none:
            they are looked at whenever they are read, as they may be written in between.
        written: path → schema of the tables that this process wrote, which Spark then need not look up in their files
            with a job of its own; shared by the places below.
    """

    spark: SparkSession
    root: str
    opened: dict[str, DataFrame] | None = None
    written: dict[str, StructType] = field(default_factory=dict)

    def path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"

    def below(self, name: str) -> Tables:
        """The same kind of place, one folder down."""
        return Tables(self.spark, self.path(name), self.opened, self.written)

    def exists(self, name: str) -> bool:
        return files.exists(self.spark, f"{self.path(name)}/_SUCCESS")

    def write(self, df: DataFrame, name: str, schema: StructType | None = None) -> DataFrame:
        """Writes the table whole, over what was there, and returns it as read back: lineage ends here.

        Args:
            df: the rows; they must not depend on the table that is written over.
            name: name of the table; registered names have their schema, others take `schema`, or pass as they are.
            schema: contract of a table that `schemas.TABLES` does not know.
        """
        schema = schema or TABLES.get(name)
        checked = df if schema is None else conform(df, schema, name)
        path = self.path(name)
        checked.write.mode("overwrite").options(**_writer_options(checked.schema)).parquet(path)
        self.written[path] = checked.schema
        return self._known(path)

    def read(self, name: str, schema: StructType | None = None) -> DataFrame:
        """Reads a complete table.

        Raises:
            InputError: the table is missing or was not written to its end.
        """
        path = self.path(name)
        if self.opened is not None and path in self.opened:
            return self.opened[path]
        if not self.exists(name):
            raise InputError(
                f"table {name} is not there or was not finished",
                where=path,
                expected="a Parquet folder with a _SUCCESS mark",
                hint="run the stage that writes it for the same --ds first",
            )
        df = self._known(path) if path in self.written else self.spark.read.parquet(path)
        schema = schema or TABLES.get(name)
        table = df if schema is None else conform(df, schema, name)
        if self.opened is not None:
            self.opened[path] = table
        return table

    def _known(self, path: str) -> DataFrame:
        return self.spark.read.schema(self.written[path]).parquet(path)

    def delete(self, name: str) -> None:
        files.delete(self.spark, self.path(name))

    def write_json(self, name: str, document: Any) -> None:
        """Writes `<name>.json` in one atomic step."""
        files.write_bytes(self.spark, f"{self.path(name)}.json", encoded(document))

    def read_json(self, name: str) -> Any | None:
        """The document, or none where it was never written."""
        path = f"{self.path(name)}.json"
        return json.loads(files.read_bytes(self.spark, path)) if files.exists(self.spark, path) else None

    def document(self, name: str) -> Any:
        """The document that an earlier stage must have written.

        Raises:
            InputError: it was never written.
        """
        found = self.read_json(name)
        if found is None:
            raise InputError(
                f"document {name}.json is not there",
                where=self.path(name),
                hint="run the stage that writes it for the same --ds first",
            )
        return found


def encoded(document: Any) -> bytes:
    """A document as it is written."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode()


def _writer_options(schema: StructType) -> dict[str, str]:
    """Options of Parquet's writer: binary cells never repeat, so that trying a dictionary only costs time."""
    cells = [field.name for field in schema.fields if isinstance(field.dataType, BinaryType)]
    return {f"parquet.enable.dictionary#{name}": "false" for name in cells}
