"""What a table format offers: tables with versions, changed by atomic commits that carry facts of bgmrec."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from bgmrec.publish.formats.base import Staged, Target

DS, RUN_ID, REPLACED = "bgmrec.ds", "bgmrec.run_id", "bgmrec.replaced"  # facts of a commit

Runs = dict[str, set[str]]  # logical date → runs whose files it has


class Conflict(Exception):
    """Another writer committed first; nothing was committed."""


class Commit(NamedTuple):
    """One commit of the past: the version that it made, its time, and the runs whose files it replaced or removed."""

    version: int
    time: datetime
    replaced: Collection[str]


class LakeTable(Protocol):
    """A table in the state in which it was opened."""

    @property
    def version(self) -> int | None:
        """Number of the state; None: nothing was ever committed."""

    def runs(self, dates: Sequence[str] | None = None) -> Runs:
        """The runs whose files are in the table; dates without files are left out.

        Args:
            dates: logical dates, YYYY-MM-DD; None: all.
        """

    def runs_of(self, version: int) -> Runs:
        """The same for a former version that is not forgotten.

        Args:
            version: number of the state.
        """

    def replace(self, dates: Sequence[str], staged: Staged | None, facts: Mapping[str, str]) -> None:
        """Removes the dates' files and adds new ones, in one commit.

        Args:
            dates: logical dates, YYYY-MM-DD.
            staged: the new files, of one of the dates; None: none.
            facts: stored with the commit.

        Raises:
            Conflict: another writer committed since the table was opened.
        """

    def commits(self) -> list[Commit]:
        """The commits that are still known, oldest first."""

    def expire(self, since: datetime, keep: Collection[int]) -> None:
        """Forgets versions that a later one replaced before a time, except those to keep.

        Args:
            since: with a time zone.
            keep: versions that stay readable.

        Raises:
            Conflict: another writer committed since the table was opened.
        """


class Connection(Protocol):
    """Opens the tables of one format."""

    @property
    def name(self) -> str:
        """The format as `publish.format` names it."""

    def open(self, target: Target) -> LakeTable | None:
        """The table in its present state; None: there is none.

        Args:
            target: the table.
        """

    def create(self, target: Target) -> None:
        """Creates the table, without rows, unless another process has created it meanwhile.

        Args:
            target: the table.
        """

    def reader_name(self, target: Target) -> str:
        """How readers name the table.

        Args:
            target: the table.
        """


def replaced_runs(facts: Mapping[str, Any]) -> list[str]:
    """The runs whose files a commit replaced or removed.

    Args:
        facts: stored with the commit, among others that the format stores.
    """
    return [run_id for run_id in str(facts.get(REPLACED) or "").split(",") if run_id]


def superseded(commits: Sequence[Commit], since: datetime) -> list[Commit]:
    """Commits whose version a later one replaced before a time.

    Args:
        commits: oldest first.
        since: with a time zone.
    """
    return [old for old, new in pairwise(commits) if new.time < since]


def run_of(path: str) -> str:
    """The run that wrote a file: the name of its folder.

    Args:
        path: of a file in the folder of a version.
    """
    return path.rsplit("/", 2)[-2]
