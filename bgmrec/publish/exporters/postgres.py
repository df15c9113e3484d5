"""Published tables → PostgreSQL: one immutable table per version, views that are switched in one transaction.

A version is copied by several connections at once, each a partition of the files, and nobody sees it. Then one
transaction makes the views show it. A view, unlike a renamed table, keeps its grants and what is built on it. A query
that reads the old version holds the views, so that the switch waits for it: nobody sees half of either.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from pyspark.sql import DataFrame
from pyspark.sql import types as t

from bgmrec.errors import PublishingError
from bgmrec.publish.contracts import CONTRACTS, Contract
from bgmrec.runtime.secrets import redacted

_PATIENCE_S = 0.5  # in which the switch gets all views or steps back; below the server's deadlock_timeout

_TYPES: dict[type[t.DataType], str] = {
    t.StringType: "text",
    t.IntegerType: "integer",
    t.LongType: "bigint",
    t.FloatType: "real",
    t.DoubleType: "double precision",
}


@dataclass(frozen=True)
class Postgres:
    """Where the versions go.

    Args:
        address: of libpq, secrets filled in.
        secrets: to be struck out of errors.
        schema: of the tables and views.
        grant_to: roles that may read the views.
        connections: that copy at once.
        lock_seconds: to wait for running queries.
    """

    address: str
    secrets: tuple[str, ...]
    schema: str
    grant_to: Sequence[str]
    connections: int
    lock_seconds: float

    def export(self, run_id: str, tables: dict[str, DataFrame], rows: dict[str, int]) -> bool:
        """Copies a version and switches to it; returns false where the views show it already.

        Args:
            run_id: of the version.
            tables: by name.
            rows: that each must have in the end.

        Raises:
            PublishingError: the server refused, or rows were lost; the views show what they did.
        """
        try:
            with psycopg.connect(self.address, autocommit=True) as connection:
                return self._export(connection, run_id, tables, rows)
        except psycopg.Error as error:
            raise PublishingError(
                f"PostgreSQL refused {run_id}",
                where=f"schema {self.schema}",
                found=redacted(str(error).strip(), self.secrets),
                hint="readers see the version before; mend what the server says and run the same command again",
            ) from None

    def _export(
        self, connection: psycopg.Connection, run_id: str, tables: dict[str, DataFrame], rows: dict[str, int]
    ) -> bool:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self.schema)))
        self._alone(connection)
        if self._shown(connection, tables) == {run_id}:
            return False
        for table, df in tables.items():
            self._copy(connection, CONTRACTS[table], run_id, df, rows[table])
        self._promote(connection, run_id, list(tables))
        self._drop_others(connection, run_id)
        return True

    def _alone(self, connection: psycopg.Connection) -> None:
        """Holds the schema's lock as long as the connection."""
        row = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [f"bgmrec.{self.schema}"]).fetchone()
        if row != (True,):
            raise PublishingError(
                f"another export into schema {self.schema} is under way",
                where=f"schema {self.schema}",
                hint="wait for it; then run the same command again",
            )

    def _shown(self, connection: psycopg.Connection, tables: Iterable[str]) -> set[str | None]:
        """Runs that the views show."""
        query = "SELECT obj_description(to_regclass(%s), 'pg_class')"
        return {connection.execute(query, [f'"{self.schema}"."{table}"']).fetchone()[0] for table in tables}  # type: ignore[index]

    def _copy(self, connection: psycopg.Connection, contract: Contract, run_id: str, df: DataFrame, rows: int) -> None:
        name = self._version(contract.table, run_id)
        parts = self._version(contract.table, run_id, "_parts")
        for one in (name, parts):  # of an export that was interrupted
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(one))
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, _columns(contract.schema)))
        connection.execute(sql.SQL("CREATE TABLE {} (part integer PRIMARY KEY)").format(parts))
        into = _Into(self.address, name.as_string(), parts.as_string())
        df.select(contract.schema.names).coalesce(self.connections).rdd.mapPartitionsWithIndex(into.copy).collect()
        (found,) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone() or (0,)
        if found != rows:
            raise PublishingError(
                f"PostgreSQL holds other rows of {contract.table} than were published",
                where=name.as_string(),
                expected=f"{rows:,}",
                found=f"{found:,}",
                hint="run the same command again; readers see the version before",
            )
        keys = sql.SQL(", ").join(map(sql.Identifier, contract.keys))
        connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(name, keys))
        connection.execute(sql.SQL("ANALYZE {}").format(name))
        connection.execute(sql.SQL("DROP TABLE {}").format(parts))

    def _promote(self, connection: psycopg.Connection, run_id: str, tables: Sequence[str]) -> None:
        """Shows a version, as soon as no transaction reads what was shown before."""
        end = time.monotonic() + self.lock_seconds
        while True:
            try:
                self._try_promote(connection, run_id, tables)
                return
            except psycopg.errors.LockNotAvailable:
                if time.monotonic() > end:
                    raise

    def _try_promote(self, connection: psycopg.Connection, run_id: str, tables: Sequence[str]) -> None:
        with connection.transaction():
            self._lock_all(connection, tables)
            for role in self.grant_to:
                into, reader = sql.Identifier(self.schema), sql.Identifier(role)
                connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(into, reader))
            for table in tables:
                self._show(connection, CONTRACTS[table], run_id)

    def _lock_all(self, connection: psycopg.Connection, tables: Sequence[str]) -> None:
        """Locks the views before one of them changes, or gives all of them up.

        A reader may hold a later one and wait for an earlier one. Waiting on would be a deadlock, for which the server
        ends one of both, after a second (its `deadlock_timeout`).
        """
        self._wait_at_most(connection, _PATIENCE_S / len(tables))
        for table in tables:
            view = sql.Identifier(self.schema, table)
            (known,) = connection.execute("SELECT to_regclass(%s)", [view.as_string()]).fetchone() or (None,)
            if known is not None:
                connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(view))

    def _show(self, connection: psycopg.Connection, contract: Contract, run_id: str) -> None:
        """Makes a view show a version, with the contract's words as comments."""
        view = sql.Identifier(self.schema, contract.table)
        names = sql.SQL(", ").join(map(sql.Identifier, contract.schema.names))
        query = sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}")
        connection.execute(query.format(view, names, self._version(contract.table, run_id)))
        connection.execute(sql.SQL("COMMENT ON VIEW {} IS {}").format(view, sql.Literal(run_id)))
        for field in contract.schema:
            column = sql.Identifier(self.schema, contract.table, field.name)
            comment = sql.Literal(field.metadata["comment"])
            connection.execute(sql.SQL("COMMENT ON COLUMN {} IS {}").format(column, comment))
        for role in self.grant_to:
            connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(view, sql.Identifier(role)))

    def _drop_others(self, connection: psycopg.Connection, run_id: str) -> None:
        """Drops versions that no view shows; one that a query still reads is left for the next export."""
        query = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename ~ %s"
        pattern = f"^({'|'.join(CONTRACTS)})__[0-9_]+(_parts)?$"
        for (name,) in connection.execute(query, [self.schema, pattern]).fetchall():
            if name.endswith(_suffix(run_id)):
                continue
            try:
                with connection.transaction():
                    self._wait_at_most(connection, self.lock_seconds)
                    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(self.schema, name)))
            except psycopg.errors.LockNotAvailable:
                continue

    def _wait_at_most(self, connection: psycopg.Connection, seconds: float) -> None:
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(int(seconds * 1000))))

    def _version(self, table: str, run_id: str, suffix: str = "") -> sql.Identifier:
        return sql.Identifier(self.schema, f"{table}{_suffix(run_id)}{suffix}")


@dataclass(frozen=True)
class _Into:
    """One task's share of a table: copied once, however often the task is tried."""

    address: str
    table: str
    parts: str

    def copy(self, part: int, rows: Iterable[Any]) -> Iterator[int]:
        """Copies in one transaction; yields the part, or nothing where an earlier try did.

        Raises:
            PublishingError: the server refused; in words, as a worker's error comes back as text.
        """
        try:
            with psycopg.connect(self.address) as connection:
                claim = f"INSERT INTO {self.parts} VALUES (%s) ON CONFLICT DO NOTHING"
                if not connection.execute(claim.encode(), [part]).rowcount:
                    return  # that try ended, and only its answer was lost
                with connection.cursor().copy(f"COPY {self.table} FROM STDIN".encode()) as copy:
                    for row in rows:
                        copy.write_row(row)
        except psycopg.Error as error:
            raise PublishingError(
                "PostgreSQL refused rows",
                where=self.table,
                found=str(error).strip(),
                hint="ids with NUL bytes fit no text column: hash them in the log's mapping, by pseudonym(user_id)",
            ) from None
        yield part


def _columns(schema: t.StructType) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(
            sql.Identifier(field.name),
            sql.SQL(_TYPES[type(field.dataType)]),
            sql.SQL("" if field.nullable else " NOT NULL"),
        )
        for field in schema
    )


def _suffix(run_id: str) -> str:
    return f"__{run_id.replace('-', '_')}"
