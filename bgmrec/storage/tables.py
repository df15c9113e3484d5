"""Parquet tables and JSON documents below one folder; each exists completely or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import BinaryType, StructType

from bgmrec.errors import InputError
from bgmrec.storage import files, one_step
from bgmrec.storage.schemas import TABLES, conform


@dataclass(frozen=True)
class Tables:
    """A table store: Parquet tables and JSON documents below `root`. A table exists if it has Spark's `_SUCCESS` mark.

    Args:
        spark: the session.
        root: folder of the store, taken literally.
        opened: path → table, for readers of finished tables: each is opened once, as that takes a Spark job; None:
            tables are opened at every read, because they may be written in between.
        written: path → schema of the tables that this process wrote, so that Spark needs no job to find it in their
            files; shared with the stores below.
    """

    spark: SparkSession
    root: str
    opened: dict[str, DataFrame] | None = None
    written: dict[str, StructType] = field(default_factory=dict)

    def path(self, name: str) -> str:
        """The path of a table, document or folder.

        Args:
            name: below the root.
        """
        return f"{self.root.rstrip('/')}/{name}"

    def below(self, name: str) -> Tables:
        """The table store of a folder below this one.

        Args:
            name: of the folder.
        """
        return Tables(self.spark, self.path(name), self.opened, self.written)

    def exists(self, name: str) -> bool:
        """Whether there is a complete table.

        Args:
            name: of the table.
        """
        return files.exists(self.spark, f"{self.path(name)}/{one_step.MARK}")

    def write(self, df: DataFrame, name: str, schema: StructType | None = None, *, passing: bool = False) -> DataFrame:
        """Writes a table over what was there and returns it as read back: its lineage ends here.

        Args:
            df: the rows; they must not be read from the table that is replaced.
            name: of the table; the schema of `schemas.TABLES` applies to its names.
            schema: of a table that `schemas.TABLES` does not name; None: that of the rows.
            passing: whether the table is deleted soon: it is compressed quickly, not well.

        Raises:
            InputError: a column of the schema is missing.
        """
        schema = schema or TABLES.get(name)
        checked = df if schema is None else conform(df, schema, name)
        path = self.path(name)
        one_step.delete_mark(self.spark, path)
        options = _writer_options(checked.schema) | ({"compression": "snappy"} if passing else {})
        checked.write.mode("overwrite").options(**options).parquet(path)
        self.written[path] = checked.schema
        return self._open(path)

    def read(self, name: str, schema: StructType | None = None) -> DataFrame:
        """Opens a complete table.

        Args:
            name: of the table; the schema of `schemas.TABLES` applies to its names.
            schema: of a table that `schemas.TABLES` does not name; None: that of the files.

        Raises:
            InputError: the table is missing or incomplete, or a column of the schema is.
        """
        path = self.path(name)
        if self.opened is not None and path in self.opened:
            return self.opened[path]
        if not self.exists(name):
            raise InputError(
                f"table {name} is missing or incomplete",
                where=path,
                expected="a Parquet folder with a _SUCCESS mark",
                hint="run the job of the stage that writes it for the same --ds first",
            )
        df = self._open(path) if path in self.written else self.spark.read.parquet(files.literal(path))
        schema = schema or TABLES.get(name)
        table = df if schema is None else conform(df, schema, name)
        if self.opened is not None:
            self.opened[path] = table
        return table

    def _open(self, path: str) -> DataFrame:
        return self.spark.read.schema(self.written[path]).parquet(files.literal(path))

    def delete(self, name: str) -> None:
        """Deletes a table, if it exists.

        Args:
            name: of the table.
        """
        one_step.delete_table(self.spark, self.path(name))

    def write_json(self, name: str, document: Any) -> None:
        """Writes `<name>.json` in one atomic step.

        Args:
            name: of the document.
            document: JSON.
        """
        one_step.write_bytes(self.spark, f"{self.path(name)}.json", encoded(document))

    def read_json(self, name: str) -> Any | None:
        """The document; None if it was never written.

        Args:
            name: of the document.
        """
        path = f"{self.path(name)}.json"
        return json.loads(files.read_bytes(self.spark, path)) if files.exists(self.spark, path) else None

    def document(self, name: str) -> Any:
        """The document that an earlier stage must have written.

        Args:
            name: of the document.

        Raises:
            InputError: it was never written.
        """
        content = self.read_json(name)
        if content is None:
            raise InputError(
                f"document {name}.json is missing",
                where=self.path(name),
                expected="a document that an earlier stage writes",
                hint="run the job of the stage that writes it for the same --ds first",
            )
        return content


def encoded(document: Any) -> bytes:
    """The bytes of a document's file.

    Args:
        document: JSON.
    """
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode()


def _writer_options(schema: StructType) -> dict[str, str]:
    """Options of the Parquet writer: binary cells never repeat, so trying a dictionary would only take time."""
    cells = [field.name for field in schema.fields if isinstance(field.dataType, BinaryType)]
    return {f"parquet.enable.dictionary#{name}": "false" for name in cells}
