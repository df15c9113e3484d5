"""Files that appear in one step: documents that are replaced, and files that only one of several processes creates.

`bgmrec.storage.guarantees` says how a file system does it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path as LocalPath
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError

from bgmrec.storage import files
from bgmrec.storage.guarantees import (
    CONDITIONAL_CREATE,
    STATED,
    Creating,
    Guarantees,
    Replacing,
    guarantees_of,
    require_creating,
    require_replacing,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MARK = "_SUCCESS"  # Spark writes it when a table is complete


def guarantees(spark: SparkSession, path: str) -> Guarantees:
    """What the file system of a path guarantees.

    Args:
        spark: the session.
        path: of a file or folder, whether it exists or not.

    Raises:
        SettingsError: the session states it by an unknown name.
    """
    fs, target = files.behind_mounts(spark, path)
    scheme = str(target.toUri().getScheme())
    stated = spark.sparkContext._jsc.hadoopConfiguration().get(STATED + scheme)
    return guarantees_of(scheme, stated, lambda name: bool(fs.hasPathCapability(target, name)))


def check(spark: SparkSession, path: str) -> None:
    """Checks that documents can be written below a path, before anything is written.

    Args:
        spark: the session.
        path: of a file or folder, whether it exists or not.

    Raises:
        SettingsError: the file system does not replace a file in one step.
    """
    require_replacing(guarantees(spark, path), path)


def delete_table(spark: SparkSession, path: str) -> None:
    """Deletes a table, if it exists; its mark goes first where a folder does not disappear in one step.

    Args:
        spark: the session.
        path: of the table, taken literally.
    """
    delete_mark(spark, path)
    files.delete(spark, path)


def delete_mark(spark: SparkSession, path: str) -> None:
    """Makes a table incomplete that is about to be deleted or overwritten, unless its folder disappears in one step.

    Otherwise a kill could leave the mark of a complete table, and some of its files.

    Args:
        spark: the session.
        path: of the table, taken literally.
    """
    if not guarantees(spark, path).deletes_folders_at_once:
        files.delete(spark, f"{path}/{MARK}")


def write_bytes(spark: SparkSession, path: str, content: bytes) -> None:
    """Writes a file in one step over what was there: readers see the old file or the new one.

    Args:
        spark: the session.
        path: of the file.
        content: all of it.

    Raises:
        SettingsError: the file system does not guarantee it.
    """
    with tempfile.TemporaryDirectory() as folder:
        local = LocalPath(folder) / "content"
        local.write_bytes(content)
        _REPLACE[require_replacing(guarantees(spark, path), path)](spark, local, path)


def _replace_local(spark: SparkSession, source: LocalPath, path: str) -> None:
    """By the operating system: Hadoop's own rename deletes the old file first, and a reader would miss it."""
    target = _local_target(spark, path)
    staging = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, staging)
    with staging.open("rb") as written:
        os.fsync(written.fileno())
    target.with_name(f".{target.name}.crc").unlink(missing_ok=True)  # Hadoop's checksum of another content
    os.replace(staging, target)


def _replace_by_rename(spark: SparkSession, source: LocalPath, path: str) -> None:
    fs, target = files.behind_mounts(spark, path)
    fs.mkdirs(target.getParent())
    staging = _sibling(spark, target, f".{target.getName()}.partial")
    fs.copyFromLocalFile(False, True, _local_path(spark, source), staging)
    _rename(spark, fs, staging, target, "OVERWRITE")


def _replace_whole(spark: SparkSession, source: LocalPath, path: str) -> None:
    """One request, or several parts that the last one joins: nothing appears before."""
    fs, target = files.behind_mounts(spark, path)
    fs.copyFromLocalFile(False, True, _local_path(spark, source), target)


_REPLACE: dict[Replacing, Callable[[SparkSession, LocalPath, str], None]] = {
    Replacing.LOCAL: _replace_local,
    Replacing.RENAME: _replace_by_rename,
    Replacing.WHOLE: _replace_whole,
}


def create(spark: SparkSession, path: str, content: bytes) -> bool:
    """Writes a file if there is none; returns false if there is. Of several processes at once one succeeds.

    Args:
        spark: the session.
        path: of the file.
        content: all of it, which no other process writes: by it a process knows its own file again.

    Raises:
        SettingsError: the file system does not guarantee it.
    """
    return _CREATE[require_creating(guarantees(spark, path), path)](spark, path, content)


def _create_local(spark: SparkSession, path: str, content: bytes) -> bool:
    """Uses a hard link, which is made or refused in one step: Hadoop's local file system looks first, then writes."""
    target = _local_target(spark, path)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".") as staging:
        staging.write(content)
        staging.flush()
        os.fsync(staging.fileno())
        try:
            os.link(staging.name, target)
        except FileExistsError:
            return False
    return True


def _create_by_rename(spark: SparkSession, path: str, content: bytes) -> bool:
    """Writes beside the file first: a file that is created is seen empty until it is closed."""
    fs, target = files.behind_mounts(spark, path)
    staging = _sibling(spark, target, f".{target.getName()}.{uuid.uuid4().hex}")
    _write(fs.create(staging, True), content)
    try:
        _rename(spark, fs, staging, target, "NONE")
    except Py4JJavaError as error:
        if files.is_a(error, "FileAlreadyExistsException"):
            return False
        raise
    finally:
        fs.delete(staging, False)
    return True


def _create_conditionally(spark: SparkSession, path: str, content: bytes) -> bool:
    """Lets the store decide when the object is closed.

    The client repeats a request whose answer was lost, and its repetition is refused because of the first one. So the
    file decides, not the exception.
    """
    fs, target = files.behind_mounts(spark, path)
    try:
        _write(fs.createFile(target).must(CONDITIONAL_CREATE, True).create().build(), content)
    except Py4JJavaError:
        if not fs.exists(target):
            raise
        return files.read_bytes(spark, path) == content
    return True


_CREATE: dict[Creating, Callable[[SparkSession, str, bytes], bool]] = {
    Creating.LINK: _create_local,
    Creating.RENAME: _create_by_rename,
    Creating.CONDITIONAL: _create_conditionally,
}


def _write(stream: Any, content: bytes) -> None:
    stream.write(bytearray(content))
    stream.close()


def _local_target(spark: SparkSession, path: str) -> LocalPath:
    """The path for the operating system; its folder is made."""
    target = LocalPath(str(files.behind_mounts(spark, path)[1].toUri().getPath()))
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _local_path(spark: SparkSession, path: LocalPath) -> Any:
    return spark.sparkContext._jvm.org.apache.hadoop.fs.Path(path.resolve().as_uri())  # type: ignore[union-attr]


def _sibling(spark: SparkSession, path: Any, name: str) -> Any:
    return spark.sparkContext._jvm.org.apache.hadoop.fs.Path(path.getParent(), name)  # type: ignore[union-attr]


def _rename(spark: SparkSession, fs: Any, source: Any, target: Any, option: str) -> None:
    """Renames by FileContext, which replaces a file in one step or refuses; `FileSystem.rename` does neither."""
    jvm: Any = spark.sparkContext._jvm
    gateway: Any = spark.sparkContext._gateway
    hadoop = jvm.org.apache.hadoop.fs
    context = hadoop.FileContext.getFileContext(fs.getUri(), spark.sparkContext._jsc.hadoopConfiguration())
    options = gateway.new_array(hadoop.Options.Rename, 1)
    options[0] = getattr(hadoop.Options.Rename, option)
    context.rename(source, target, options)
