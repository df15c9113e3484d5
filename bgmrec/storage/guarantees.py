"""What file systems guarantee: the one place that every storage operation asks before it promises something.

Three things are asked for. A document (manifest, run state, `model.json`, checkpoint, row cache) must be replaced in
one step: readers see the old one or the new one. The file of a lock must be created in one step, unless there is one.
And a folder may or may not disappear in one step: where it does not, the mark of a table goes first.

A file system guarantees what the table below says. What it does not know guarantees nothing, and is refused, unless the
session states what it is like: `spark.conf."spark.hadoop.bgmrec.guarantees.<scheme>" = "hdfs"`, or `"s3a"`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from bgmrec.errors import SettingsError

STATED = "bgmrec.guarantees."  # + scheme: key of Hadoop's configuration with the scheme whose guarantees apply
CONDITIONAL_CREATE = "fs.option.create.conditional.overwrite"  # Hadoop 3.4.2; both the capability and the option


class Replacing(Enum):
    """How a document is replaced in one step."""

    LOCAL = "by a rename of the operating system"
    RENAME = "by a rename over the old file"
    WHOLE = "by one write: an object appears whole when it is closed"
    NONE = "not in one step"


class Creating(Enum):
    """How a file is created in one step, unless there is one."""

    LINK = "by a hard link"
    RENAME = "by a rename that refuses an existing file"
    CONDITIONAL = "by a conditional write"
    NONE = "not in one step"


@dataclass(frozen=True)
class Guarantees:
    """What one file system guarantees.

    Args:
        scheme: of its URIs.
        replacing: of a document.
        creating: of the file of a lock.
        deletes_folders_at_once: whether a folder disappears in one step.
    """

    scheme: str
    replacing: Replacing
    creating: Creating
    deletes_folders_at_once: bool


_LOCAL = Guarantees("file", Replacing.LOCAL, Creating.LINK, deletes_folders_at_once=False)
# Only HDFS renames over a file in one step: for all others Hadoop's FileContext deletes it first
_HDFS = Guarantees("hdfs", Replacing.RENAME, Creating.RENAME, deletes_folders_at_once=True)
# objects appear whole, and there is no rename: Hadoop copies and deletes. Its `create` looks first and writes later
_OBJECTS = Guarantees("s3a", Replacing.WHOLE, Creating.NONE, deletes_folders_at_once=False)
_KNOWN = {"file": _LOCAL, "hdfs": _HDFS, **dict.fromkeys(("s3a", "s3", "s3n", "gs"), _OBJECTS)}
_UNKNOWN = Guarantees("", Replacing.NONE, Creating.NONE, deletes_folders_at_once=False)


def guarantees_of(scheme: str, stated: str | None, has_capability: Callable[[str], bool]) -> Guarantees:
    """What a file system guarantees.

    Args:
        scheme: of its URIs, behind the mounts of viewfs.
        stated: scheme that the session states it to be like; None: nothing is stated.
        has_capability: whether the file system says that it has a capability of Hadoop at the path in question.

    Raises:
        SettingsError: what is stated is not known either.
    """
    if stated is not None and stated not in _KNOWN:
        raise SettingsError(
            f"the guarantees of {scheme}:// are stated by an unknown name",
            where=f'spark.conf."spark.hadoop.{STATED}{scheme}"',
            expected=f"one of {', '.join(_KNOWN)}",
            found=stated,
            hint="hdfs: a rename replaces a file in one step; s3a: a file appears whole when it is closed",
        )
    known = replace(_KNOWN.get(stated or scheme, _UNKNOWN), scheme=scheme)
    if known.replacing is Replacing.WHOLE and has_capability(CONDITIONAL_CREATE):
        return replace(known, creating=Creating.CONDITIONAL)
    return known


def require_replacing(guarantees: Guarantees, path: str) -> Replacing:
    """How a document is replaced in one step.

    Args:
        guarantees: of its file system.
        path: of the document.

    Raises:
        SettingsError: it cannot be.
    """
    if guarantees.replacing is not Replacing.NONE:
        return guarantees.replacing
    scheme = guarantees.scheme
    raise SettingsError(
        "this file system is not known to replace a file in one step, as manifests and checkpoints need it",
        where=path,
        expected=f"one of {', '.join(f'{name}://' for name in _KNOWN)}",
        found=f"{scheme}://",
        hint="choose another paths.root; or, if the file system guarantees it, state which one it is like: "
        f'spark.conf."spark.hadoop.{STATED}{scheme}" = "hdfs" (rename in one step) or "s3a" (whole objects)',
    )


def require_creating(guarantees: Guarantees, path: str) -> Creating:
    """How the file of a lock is created in one step.

    Args:
        guarantees: of its file system.
        path: of the lock.

    Raises:
        SettingsError: it cannot be.
    """
    if guarantees.creating is not Creating.NONE:
        return guarantees.creating
    raise SettingsError(
        "a lock needs a file that one of several processes creates, and this file system does not guarantee it",
        where=path,
        expected="a local disk, hdfs://, or s3a:// with conditional writes (Hadoop 3.4.2 and later)",
        found=f"{guarantees.scheme}://, with a client that does not say that it has {CONDITIONAL_CREATE}",
        hint='runtime.lock = "postgres" keeps the lock in a PostgreSQL table (runtime.lock_address); '
        'runtime.lock = "none" runs without one, where the scheduler never starts two runs of a date at once',
    )
