"""Where the numbered documents of a lock lie: files of a folder, or rows of a PostgreSQL table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bgmrec.errors import SettingsError, StorageError
from bgmrec.runtime.secrets import redacted
from bgmrec.storage import files, one_step
from bgmrec.storage.tables import Tables, encoded

if TYPE_CHECKING:
    import psycopg

_TABLE = "run_locks"
_CONNECT_S = 10  # seconds to wait for the server


class LockDocuments(Protocol):
    """The numbered documents of one lock."""

    @property
    def where(self) -> str:
        """Where they lie, for messages."""

    def newest(self) -> tuple[int, dict[str, Any] | None]:
        """The highest number and its document; 0 and None if the lock was never taken."""

    def create(self, number: int, document: dict[str, Any]) -> bool:
        """Writes a document unless there is one of this number; returns whether it did.

        Args:
            number: of the document.
            document: JSON that no other process writes.
        """

    def write(self, number: int, document: dict[str, Any]) -> None:
        """Writes a document of this process again.

        Args:
            number: of the document.
            document: JSON.
        """

    def delete_before(self, number: int) -> None:
        """Deletes the documents with lower numbers.

        Args:
            number: that is kept.
        """


@dataclass(frozen=True)
class FileDocuments:
    """Files `000001.json`, `000002.json`, … of a folder, on a file system that creates a file in one step.

    Args:
        store: the folder.
    """

    store: Tables

    @property
    def where(self) -> str:
        """The folder."""
        return self.store.root

    def newest(self) -> tuple[int, dict[str, Any] | None]:
        """The highest number and its document; 0 and None if the lock was never taken."""
        paths = self._paths()
        if not paths:
            return 0, None
        name = paths[-1].rsplit("/", 1)[-1].removesuffix(".json")
        return int(name), self.store.read_json(name)

    def create(self, number: int, document: dict[str, Any]) -> bool:
        """Writes a document unless there is one of this number; returns whether it did.

        Args:
            number: of the document.
            document: JSON that no other process writes.

        Raises:
            SettingsError: the file system does not create a file in one step.
        """
        path = f"{self.store.path(f'{number:06d}')}.json"
        return one_step.create(self.store.spark, path, encoded(document))

    def write(self, number: int, document: dict[str, Any]) -> None:
        """Writes a document of this process again.

        Args:
            number: of the document.
            document: JSON.
        """
        self.store.write_json(f"{number:06d}", document)

    def delete_before(self, number: int) -> None:
        """Deletes the documents with lower numbers.

        Args:
            number: that is kept.
        """
        for path in self._paths():
            if path.rsplit("/", 1)[-1] < f"{number:06d}.json":
                files.delete(self.store.spark, path)

    def _paths(self) -> list[str]:
        return files.children(self.store.spark, self.store.root, "[0-9]*.json")


@dataclass(frozen=True)
class PostgresDocuments:
    """Rows of the table `<schema>.run_locks`; the table is created if it is missing.

    Every call has a connection of its own: a run lasts for hours, and a server or a proxy may end idle ones.

    Args:
        address: connection string of libpq, with its secrets.
        secrets: values that errors must not contain.
        schema: of the table.
        name: of the lock, the same for all processes that must not work at once.
    """

    address: str
    secrets: tuple[str, ...]
    schema: str
    name: str

    @property
    def where(self) -> str:
        """The table, and the name of the lock in it."""
        return f"PostgreSQL table {self.schema}.{_TABLE}, lock {self.name}"

    def newest(self) -> tuple[int, dict[str, Any] | None]:
        """The highest number and its document; 0 and None if the lock was never taken.

        Raises:
            StorageError: the server cannot be reached, or refused.
        """
        with self._connected() as connection:
            if not self._has_table(connection):
                return 0, None
            query = self._query("SELECT number, document FROM {} WHERE lock = %s ORDER BY number DESC LIMIT 1")
            row = connection.execute(query, [self.name]).fetchone()
        return (0, None) if row is None else (row[0], row[1])

    def create(self, number: int, document: dict[str, Any]) -> bool:
        """Writes a document unless there is one of this number; returns whether it did.

        Args:
            number: of the document.
            document: JSON.

        Raises:
            StorageError: the server cannot be reached, or refused.
        """
        with self._connected() as connection:
            if not self._has_table(connection):
                self._create_table(connection)
            query = self._query("INSERT INTO {} VALUES (%s, %s, %s) ON CONFLICT DO NOTHING")
            return connection.execute(query, [self.name, number, json.dumps(document)]).rowcount == 1

    def write(self, number: int, document: dict[str, Any]) -> None:
        """Writes a document of this process again.

        Args:
            number: of the document.
            document: JSON.

        Raises:
            StorageError: the server cannot be reached, or refused.
        """
        with self._connected() as connection:
            query = self._query("UPDATE {} SET document = %s WHERE lock = %s AND number = %s")
            connection.execute(query, [json.dumps(document), self.name, number])

    def delete_before(self, number: int) -> None:
        """Deletes the documents with lower numbers.

        Args:
            number: that is kept.

        Raises:
            StorageError: the server cannot be reached, or refused.
        """
        with self._connected() as connection:
            connection.execute(self._query("DELETE FROM {} WHERE lock = %s AND number < %s"), [self.name, number])

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        psycopg = _psycopg()
        try:
            with psycopg.connect(self.address, connect_timeout=_CONNECT_S) as connection:
                yield connection
        except psycopg.Error as error:
            raise StorageError(
                "the PostgreSQL server that keeps the lock cannot be used",
                where=f"runtime.lock_address; {self.where}",
                expected="a server that answers, and a user that may create and change the table",
                found=redacted(str(error).strip(), self.secrets),
                hint="check the server, the address and its rights; then give the same command again: it resumes",
            ) from None

    def _has_table(self, connection: psycopg.Connection) -> bool:
        # not to_regclass: it may answer from what the connection saw before another one created the table
        query = "SELECT FROM pg_tables WHERE schemaname = %s AND tablename = %s"
        return connection.execute(query, [self.schema, _TABLE]).fetchone() is not None

    def _create_table(self, connection: psycopg.Connection) -> None:
        from psycopg import sql

        # two that create it at once: PostgreSQL refuses the second with an error, although it says IF NOT EXISTS
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"bgmrec.{self.schema}.{_TABLE}"])
        if self._has_table(connection):
            return
        schema = sql.Identifier(self.schema)
        # IF NOT EXISTS alone would need the right to create schemas, too, where there is one
        if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [self.schema]).fetchone() is None:
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        columns = "(lock text, number integer, document jsonb NOT NULL, PRIMARY KEY (lock, number))"
        connection.execute(self._query(f"CREATE TABLE {{}} {columns}"))

    def _query(self, text: str) -> Any:
        from psycopg import sql

        return sql.SQL(text).format(sql.Identifier(self.schema, _TABLE))


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise SettingsError(
            "a lock in PostgreSQL needs a package that is not installed",
            where='runtime.lock = "postgres"',
            expected="the packages of bgmrec[postgres]",
            found=str(error),
            hint="pip install '.[postgres]'",
        ) from None
    return psycopg
