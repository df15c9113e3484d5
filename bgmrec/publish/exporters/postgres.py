"""Published tables → PostgreSQL: one immutable table per version, and views that show one version.

Several connections copy a version at once, each of them some partitions of the files, while no reader sees it. Then one
transaction lets all views show it. Views and not renamed tables, because a view keeps its grants and the views that
are built on it. A query of the previous version locks the views, and the promotion waits for it: no reader sees a mix.
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
from bgmrec.runtime.logs import logger
from bgmrec.runtime.secrets import redacted

_ATTEMPT_S = 0.5  # an attempt locks all views in this time or releases them; below the server's deadlock_timeout
_RUN_ID = r"^\d{4}-\d\d-\d\d-\d+$"  # comment of each of our views

_TYPES: dict[type[t.DataType], str] = {
    t.StringType: "text",
    t.IntegerType: "integer",
    t.LongType: "bigint",
    t.FloatType: "real",
    t.DoubleType: "double precision",
}


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL schema that serves the newest version.

    Args:
        address: connection string of libpq, with its secrets.
        secrets: values that errors must not contain.
        schema: schema of the tables and views.
        grant_to: roles that may read the views.
        connections: connections that copy at once.
        lock_seconds: how long the promotion waits for running queries.
    """

    address: str
    secrets: tuple[str, ...]
    schema: str
    grant_to: Sequence[str]
    connections: int
    lock_seconds: float

    def export(self, run_id: str, tables: dict[str, DataFrame], rows: dict[str, int]) -> bool:
        """Copies a version and lets the views show it.

        Views of tables that are no longer published are dropped together with it.

        Args:
            run_id: of the version.
            tables: table → its rows.
            rows: table → number of rows that must arrive.

        Returns:
            false if the views show this version already.

        Raises:
            PublishingError: the server refused, or rows were lost; the views show the previous version.
        """
        try:
            with psycopg.connect(self.address, autocommit=True) as connection:
                is_new = self._publish(connection, run_id, tables, rows)
                self._drop_others(connection, run_id)
                return is_new
        except psycopg.Error as error:
            raise PublishingError(
                f"PostgreSQL refused {run_id}; readers still see the previous version",
                where=f"schema {self.schema}",
                found=self._text(error),
                hint="correct what the server reports and run the same command again",
            ) from None

    def _publish(
        self, connection: psycopg.Connection, run_id: str, tables: dict[str, DataFrame], rows: dict[str, int]
    ) -> bool:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self.schema)))
        self._lock_schema(connection)
        if self._shown(connection, tables) == {run_id}:
            return False
        for table, df in tables.items():
            self._copy(connection, CONTRACTS[table], run_id, df, rows[table])
        self._promote(connection, run_id, list(tables))
        return True

    def _lock_schema(self, connection: psycopg.Connection) -> None:
        """Takes the lock of exports into the schema, until the connection is closed."""
        row = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [f"bgmrec.{self.schema}"]).fetchone()
        if row != (True,):
            raise PublishingError(
                f"another export into schema {self.schema} is running",
                where=f"schema {self.schema}",
                expected="one export at a time",
                hint="wait until it ends, then run the same command again",
            )

    def _shown(self, connection: psycopg.Connection, tables: Iterable[str]) -> set[str | None]:
        """Runs whose versions the views show."""
        query = "SELECT obj_description(to_regclass(%s), 'pg_class')"
        return {connection.execute(query, [f'"{self.schema}"."{table}"']).fetchone()[0] for table in tables}  # type: ignore[index]

    def _copy(self, connection: psycopg.Connection, contract: Contract, run_id: str, df: DataFrame, rows: int) -> None:
        name = self._version(contract.table, run_id)
        parts = self._version(contract.table, run_id, "_parts")
        for table in (name, parts):  # left by an interrupted export
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, _columns(contract.schema)))
        connection.execute(sql.SQL("CREATE TABLE {} (part integer PRIMARY KEY)").format(parts))
        task = _CopyTask(self.address, name.as_string(), parts.as_string())
        df.select(contract.schema.names).coalesce(self.connections).rdd.mapPartitionsWithIndex(task.copy).collect()
        (copied,) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone() or (0,)
        if copied != rows:
            raise PublishingError(
                f"PostgreSQL has another number of rows of {contract.table} than were published; "
                "readers still see the previous version",
                where=name.as_string(),
                expected=f"{rows:,}",
                found=f"{copied:,}",
                hint="run the same command again",
            )
        keys = sql.SQL(", ").join(map(sql.Identifier, contract.keys))
        connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(name, keys))
        connection.execute(sql.SQL("ANALYZE {}").format(name))
        connection.execute(sql.SQL("DROP TABLE {}").format(parts))

    def _promote(self, connection: psycopg.Connection, run_id: str, tables: Sequence[str]) -> None:
        """Lets the views show a version, as soon as no transaction reads the previous one."""
        end = time.monotonic() + self.lock_seconds
        while True:
            try:
                self._try_promote(connection, run_id, tables)
                return
            except psycopg.errors.LockNotAvailable:
                if time.monotonic() > end:
                    raise
            except psycopg.Error as error:
                if not connection.broken:
                    raise
                raise PublishingError(
                    "the connection to PostgreSQL broke while the views were changed; "
                    f"readers see {run_id} or the previous version, never a mix",
                    where=f"schema {self.schema}",
                    found=self._text(error),
                    hint="run the same command again: it reads which version the views show, and completes the export",
                ) from None

    def _try_promote(self, connection: psycopg.Connection, run_id: str, tables: Sequence[str]) -> None:
        with connection.transaction():
            withdrawn = self._withdrawn(connection, tables)
            self._lock_views(connection, [*tables, *withdrawn])
            for role in self.grant_to:
                schema, reader = sql.Identifier(self.schema), sql.Identifier(role)
                connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, reader))
            for table in tables:
                self._show(connection, CONTRACTS[table], run_id)
            for table in withdrawn:
                connection.execute(sql.SQL("DROP VIEW {}").format(sql.Identifier(self.schema, table)))

    def _withdrawn(self, connection: psycopg.Connection, tables: Sequence[str]) -> list[str]:
        """Our views of tables that are no longer published."""
        query = "SELECT obj_description(to_regclass(%s), 'pg_class') ~ %s"
        others = [table for table in CONTRACTS if table not in tables]
        return [
            table
            for table in others
            if connection.execute(query, [f'"{self.schema}"."{table}"', _RUN_ID]).fetchone() == (True,)
        ]

    def _lock_views(self, connection: psycopg.Connection, views: Sequence[str]) -> None:
        """Locks all views before one of them changes, or raises and releases all of them.

        A reader may hold a later view and wait for an earlier one. Waiting longer would be a deadlock, and the server
        would abort one of the two after its `deadlock_timeout`.
        """
        self._wait_at_most(connection, _ATTEMPT_S / len(views))
        for name in views:
            view = sql.Identifier(self.schema, name)
            (existing,) = connection.execute("SELECT to_regclass(%s)", [view.as_string()]).fetchone() or (None,)
            if existing is not None:
                connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(view))

    def _show(self, connection: psycopg.Connection, contract: Contract, run_id: str) -> None:
        """Lets a view show a version, with the comments of the contract."""
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
        """Drops the tables of all other versions. A failure is logged: the next export tries again."""
        query = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename ~ %s"
        pattern = f"^({'|'.join(CONTRACTS)})__[0-9_]+(_parts)?$"
        try:
            names = [name for (name,) in connection.execute(query, [self.schema, pattern]).fetchall()]
            for name in names:
                if not name.endswith(_suffix(run_id)):
                    self._drop(connection, name)
        except psycopg.Error as error:
            self._log_leftover("tables of older versions", error)

    def _drop(self, connection: psycopg.Connection, name: str) -> None:
        try:
            with connection.transaction():
                self._wait_at_most(connection, self.lock_seconds)
                connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(self.schema, name)))
        except psycopg.Error as error:
            if connection.broken:
                raise
            self._log_leftover(name, error)

    def _log_leftover(self, what: str, error: psycopg.Error) -> None:
        logger.warning(
            "the version is exported and readers see it, but %s could not be dropped from schema %s: %s\n"
            "  hint: the next export tries again; drop what depends on them",
            what,
            self.schema,
            self._text(error),
        )

    def _wait_at_most(self, connection: psycopg.Connection, seconds: float) -> None:
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(int(seconds * 1000))))

    def _version(self, table: str, run_id: str, suffix: str = "") -> sql.Identifier:
        return sql.Identifier(self.schema, f"{table}{_suffix(run_id)}{suffix}")

    def _text(self, error: psycopg.Error) -> str:
        return redacted(str(error).strip(), self.secrets)


@dataclass(frozen=True)
class _CopyTask:
    """Copies partitions into a table, each once, however often Spark runs its task.

    Args:
        address: connection string with its secrets.
        table: quoted name of the table.
        parts: quoted name of the table of the partitions that are copied.
    """

    address: str
    table: str
    parts: str

    def copy(self, part: int, rows: Iterable[Any]) -> Iterator[int]:
        """Copies one partition in one transaction; yields its number, or nothing if an earlier task copied it.

        Args:
            part: number of the partition.
            rows: of the partition.

        Raises:
            PublishingError: the server refused; psycopg's own error would not survive the way from the worker.
        """
        try:
            with psycopg.connect(self.address) as connection:
                claim = f"INSERT INTO {self.parts} VALUES (%s) ON CONFLICT DO NOTHING"
                if not connection.execute(claim.encode(), [part]).rowcount:
                    return  # an earlier task copied the partition, and only its result was lost
                with connection.cursor().copy(f"COPY {self.table} FROM STDIN".encode()) as copy:
                    for row in rows:
                        copy.write_row(row)
        except psycopg.Error as error:
            raise PublishingError(
                "PostgreSQL refused rows; readers still see the previous version",
                where=self.table,
                found=str(error).strip(),
                hint="no text column holds an id with a NUL byte: hash ids in the log's mapping, by pseudonym(user_id)",
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
