"""Publishing by commits of a lakehouse format: what Delta Lake and Apache Iceberg have in common.

A commit is decided from the table's present state: a date whose files are the run's already is left as it is, so that a
repeated or interrupted publication ends in one commit. Two jobs may publish two dates at once: the one that comes
second tries again. Where the date itself has changed in between, another writer is at work on it, and this one fails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bgmrec.errors import BgmrecError, PublishingError
from bgmrec.publish.formats.base import Staged, Target
from bgmrec.publish.formats.table import DS, REPLACED, RUN_ID, Conflict, Connection, LakeTable, Runs
from bgmrec.runtime.secrets import redacted

_ATTEMPTS = 10  # writers of other dates may commit in between


@dataclass(frozen=True)
class Lakehouse:
    """A table format whose tables have versions and atomic commits.

    Args:
        connection: opens the tables.
        secrets: values that errors must not contain.
    """

    connection: Connection
    secrets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The format as `publish.format` names it."""
        return self.connection.name

    def commit(self, target: Target, staged: Staged) -> dict[str, Any]:
        """Replaces the rows of a logical date; nothing is committed if the run's files are the date's already.

        Args:
            target: the table; it is created if it is missing.
            staged: the new files of the date.

        Returns:
            what a manifest tells readers: `table`, the table as they name it, and `version`, its number.

        Raises:
            PublishingError: another writer changed the date meanwhile, or the format refused; the table is unchanged.
        """
        with self._explained(target):
            if self.connection.open(target) is None:
                self.connection.create(target)
            table = self._replaced(target, [staged.ds], staged)
            return {"table": self.connection.reader_name(target), "version": table.version}

    def remove(self, target: Target, dates: Sequence[str]) -> None:
        """Removes logical dates from the table; their files are kept.

        Args:
            target: the table; nothing happens if there is none.
            dates: YYYY-MM-DD.

        Raises:
            PublishingError: as in `commit`.
        """
        with self._explained(target):
            if self.connection.open(target) is not None:
                self._replaced(target, dates, None)

    def undo(self, target: Target, staged: Staged, previous: Staged | None) -> None:
        """Commits the former files of a date again if the date still has the given ones.

        Args:
            target: the table.
            staged: what was committed.
            previous: the former files of the date; None: there were none.

        Raises:
            PublishingError: as in `commit`.
        """
        with self._explained(target):
            table = self.connection.open(target)
            if table is not None and table.runs([staged.ds]) == {staged.ds: {staged.run_id}}:
                self._replaced(target, [staged.ds], previous)

    def dates(self, target: Target) -> list[str]:
        """Logical dates that have rows in the table, ascending.

        Args:
            target: the table.

        Raises:
            PublishingError: the format refused.
        """
        with self._explained(target):
            table = self.connection.open(target)
            return [] if table is None else sorted(table.runs())

    def runs_in_use(self, target: Target, since: datetime | None, named: int | None) -> set[str]:
        """Runs whose files a reader may still read.

        They are in the table, or were replaced or removed since a time, or are in the version that readers are told.

        Args:
            target: the table.
            since: with a time zone; None: ever.
            named: the version that `latest` names; None: none.

        Raises:
            PublishingError: the format refused.
        """
        with self._explained(target):
            table = self.connection.open(target)
            if table is None:
                return set()
            replaced = [commit.replaced for commit in table.commits() if since is None or commit.time >= since]
            in_version = {} if named is None else table.runs_of(named)
            return set().union(*table.runs().values(), *in_version.values(), *replaced)

    def expire(self, target: Target, since: datetime, keep: Collection[int]) -> None:
        """Forgets versions of the table that were replaced before a time. No Parquet file is deleted.

        Args:
            target: the table; nothing happens if there is none.
            since: with a time zone.
            keep: versions that stay readable.

        Raises:
            PublishingError: as in `commit`.
        """
        with self._explained(target):
            for _ in range(_ATTEMPTS):
                table = self.connection.open(target)
                if table is None:
                    return
                with suppress(Conflict):
                    table.expire(since, keep)
                    return
            raise self._never_first(target)

    def _replaced(self, target: Target, dates: Sequence[str], staged: Staged | None) -> LakeTable:
        """Brings the dates into the wanted state; returns the table in a state that has it."""
        wanted: Runs = {staged.ds: {staged.run_id}} if staged is not None and staged.rows else {}
        before: Runs | None = None
        for _ in range(_ATTEMPTS):
            table = self._opened(target)
            now = table.runs(dates)
            if now == wanted:
                return table
            if before is not None and now != before:
                raise self._overtaken(target, before, wanted, now)
            before = now
            with suppress(Conflict):
                table.replace(dates, staged, _facts(dates, staged, now))
        raise self._never_first(target)

    def _opened(self, target: Target) -> LakeTable:
        table = self.connection.open(target)
        if table is None:
            raise PublishingError(
                f"the {self.name} table {target.contract.table} was dropped while it was published",
                where=self.connection.reader_name(target),
                expected="a table that nobody drops meanwhile",
                hint="run the same command again: it creates the table",
            )
        return table

    def _overtaken(self, target: Target, before: Runs, wanted: Runs, now: Runs) -> PublishingError:
        return PublishingError(
            f"another writer changed the same date of the {self.name} table {target.contract.table} at the same time",
            where=self.connection.reader_name(target),
            expected=f"{_text(before)}, as this job found it, or {_text(wanted)}, as this job commits it",
            found=_text(now),
            hint="find the other writer: only one job may publish a date. Then run the same command again",
        )

    def _never_first(self, target: Target) -> PublishingError:
        return PublishingError(
            f"other writers of the {self.name} table {target.contract.table} were faster {_ATTEMPTS} times in a row",
            where=self.connection.reader_name(target),
            expected="a moment without other commits",
            hint="run the same command again when fewer jobs write into the table",
        )

    @contextmanager
    def _explained(self, target: Target) -> Iterator[None]:
        """Explains what the format's library raises: drivers of catalogues and stores have no common base class."""
        try:
            yield
        except BgmrecError:
            raise
        except Exception as error:
            raise PublishingError(
                f"the {self.name} table {target.contract.table} could not be read or changed",
                where=self.connection.reader_name(target),
                found=redacted(f"{type(error).__name__}: {error}".strip(), self.secrets),
                hint=f"correct what the message says, or [publish.{self.name}] of the settings; "
                "then run the same command again",
            ) from error


def _facts(dates: Sequence[str], staged: Staged | None, replaced: Runs) -> dict[str, str]:
    """What a commit says about itself; `runs_in_use` reads the replaced runs."""
    return {
        DS: ",".join(dates),
        RUN_ID: "" if staged is None else staged.run_id,
        REPLACED: ",".join(sorted(set().union(*replaced.values()))),
    }


def _text(runs: Runs) -> str:
    return "; ".join(f"{ds}: {', '.join(sorted(of_date))}" for ds, of_date in sorted(runs.items())) or "no rows"
