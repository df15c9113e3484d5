"""Files and folders on any Hadoop file system, through the Hadoop client in Spark's Java."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path as LocalPath
from typing import TYPE_CHECKING, Any, NamedTuple

from py4j.protocol import Py4JJavaError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_GLOB_CHARACTERS = re.compile(r"[\\{}\[\]*?]")  # of Hadoop's patterns


def _open(spark: SparkSession, path: str) -> tuple[Any, Any]:
    jvm: Any = spark.sparkContext._jvm
    hadoop_path = jvm.org.apache.hadoop.fs.Path(path)
    return hadoop_path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()), hadoop_path


def absolute(spark: SparkSession, path: str) -> str:
    """The path with its scheme, the same for readers with another working folder.

    Args:
        spark: the session.
        path: any path.
    """
    fs, hadoop_path = _open(spark, path)
    return str(fs.makeQualified(hadoop_path).toString())


def exists(spark: SparkSession, path: str) -> bool:
    """Whether there is a file or folder.

    Args:
        spark: the session.
        path: taken literally.
    """
    fs, hadoop_path = _open(spark, path)
    return bool(fs.exists(hadoop_path))


def glob(spark: SparkSession, pattern: str) -> list[str]:
    """Paths that match a pattern of the settings, in rising order; empty if nothing matches.

    Args:
        spark: the session.
        pattern: of Hadoop; `literal` escapes the parts that are no pattern.
    """
    fs, hadoop_path = _open(spark, pattern)
    return sorted(str(status.getPath().toString()) for status in fs.globStatus(hadoop_path) or [])


def children(spark: SparkSession, folder: str, names: str = "*") -> list[str]:
    """Paths of the files and folders in a folder, in rising order; empty if there is no such folder.

    Args:
        spark: the session.
        folder: taken literally, whatever characters its path holds.
        names: pattern of the names, as in `fnmatch`.
    """
    fs, hadoop_path = _open(spark, folder)
    try:
        paths = [status.getPath() for status in fs.listStatus(hadoop_path)]
    except Py4JJavaError as error:
        if _is_a(error, "FileNotFoundException"):
            return []
        raise
    return sorted(str(path.toString()) for path in paths if fnmatchcase(str(path.getName()), names))


def literal(path: str) -> str:
    """The path as a pattern that matches only this path: Spark's readers take every path for a pattern.

    Args:
        path: any path.
    """
    return _GLOB_CHARACTERS.sub(r"\\\g<0>", path)


def _is_a(error: Py4JJavaError, name: str) -> bool:
    """Whether Java raised an exception of a class with this name."""
    return name in str(error.java_exception.getClass().getName())


class Listed(NamedTuple):
    """A file or folder: path, the same as an encoded URI, name, bytes, and milliseconds of its last change."""

    path: str
    uri: str
    name: str
    size: int
    changed: int
    is_folder: bool


def statuses(spark: SparkSession, path: str) -> list[Listed]:
    """The file, or the files and folders in a folder, in rising order of their paths.

    Args:
        spark: the session.
        path: taken literally.
    """
    fs, hadoop_path = _open(spark, path)
    found = []
    for status in fs.listStatus(hadoop_path):
        at = status.getPath()
        size, changed = int(status.getLen()), int(status.getModificationTime())
        uri, is_folder = str(at.toUri().toString()), bool(status.isDirectory())
        found.append(Listed(str(at.toString()), uri, str(at.getName()), size, changed, is_folder))
    return sorted(found)


def first_bytes(spark: SparkSession, path: str, number: int, *, unpacked: bool) -> bytes:
    """The first bytes of a file, or of what a compressed file holds.

    Args:
        spark: the session.
        path: taken literally.
        number: of bytes.
        unpacked: whether the codec that Hadoop knows by the file's ending unpacks them.
    """
    fs, hadoop_path = _open(spark, path)
    jvm: Any = spark.sparkContext._jvm
    stream = fs.open(hadoop_path)
    try:
        if unpacked:
            configuration = spark.sparkContext._jsc.hadoopConfiguration()
            codec = jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(configuration).getCodec(hadoop_path)
            stream = stream if codec is None else codec.createInputStream(stream)
        return bytes(stream.readNBytes(number))
    finally:
        stream.close()


def is_missing_or_denied(error: Py4JJavaError) -> bool:
    """Whether a file is not there, or may not be read, rather than damaged.

    Args:
        error: raised by Java.
    """
    return _is_a(error, "FileNotFoundException") or _is_a(error, "AccessControlException")


def size(spark: SparkSession, path: str) -> int:
    """Bytes of a file, or of all files below a folder.

    Args:
        spark: the session.
        path: taken literally.
    """
    fs, hadoop_path = _open(spark, path)
    return int(fs.getContentSummary(hadoop_path).getLength())


def delete(spark: SparkSession, path: str) -> None:
    """Deletes a file, or a folder with all that it holds; nothing happens if it does not exist.

    Args:
        spark: the session.
        path: taken literally.
    """
    fs, hadoop_path = _open(spark, path)
    fs.delete(hadoop_path, True)


def set_mode(spark: SparkSession, path: str, mode: str) -> None:
    """Sets the mode of a file, or of a folder and all files below it; who may read a folder may also enter it.

    Args:
        spark: the session.
        path: of the file or folder.
        mode: three octal digits, 640 for example.
    """
    fs, root = _open(spark, path)
    permission = spark.sparkContext._jvm.org.apache.hadoop.fs.permission.FsPermission  # type: ignore[union-attr]
    if fs.getFileStatus(root).isDirectory():
        folder_mode = "".join(str(int(digit) | int(digit) >> 2) for digit in mode)
        fs.setPermission(root, permission(folder_mode))
    listing = fs.listFiles(root, True)
    while listing.hasNext():
        fs.setPermission(listing.next().getPath(), permission(mode))


def rename(spark: SparkSession, source: str, target: str) -> bool:
    """Renames a file or folder; returns false if the target exists or the source does not.

    Args:
        spark: the session.
        source: path before.
        target: path after.
    """
    fs, hadoop_path = _open(spark, source)
    return bool(fs.rename(hadoop_path, _open(spark, target)[1]))


def upload(spark: SparkSession, local: str | LocalPath, path: str) -> None:
    """Copies a local file in one atomic step: readers see the old file or the new one.

    Args:
        spark: the session.
        local: file of this machine.
        path: of the copy.
    """
    fs, target = _open(spark, path)
    fs.mkdirs(target.getParent())
    resolved = fs.resolvePath(target.getParent())
    if resolved.toUri().getScheme() == "file":
        _replace(LocalPath(local), LocalPath(resolved.toUri().getPath()) / target.getName())
        return
    jvm: Any = spark.sparkContext._jvm
    staging = jvm.org.apache.hadoop.fs.Path(target.getParent(), f".{target.getName()}.partial")
    fs.copyFromLocalFile(False, True, jvm.org.apache.hadoop.fs.Path(LocalPath(local).resolve().as_uri()), staging)
    # FileContext renames over an existing file atomically; FileSystem.rename refuses to
    context = jvm.org.apache.hadoop.fs.FileContext.getFileContext(
        fs.getUri(), spark.sparkContext._jsc.hadoopConfiguration()
    )
    gateway: Any = spark.sparkContext._gateway
    options = gateway.new_array(jvm.org.apache.hadoop.fs.Options.Rename, 1)
    options[0] = jvm.org.apache.hadoop.fs.Options.Rename.OVERWRITE
    context.rename(fs.makeQualified(staging), fs.makeQualified(target), options)


def _replace(source: LocalPath, target: LocalPath) -> None:
    """The same on a local file system, where Hadoop's rename deletes the old file first: a reader would miss it."""
    staging = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, staging)
    with staging.open("rb") as written:
        os.fsync(written.fileno())
    target.with_name(f".{target.name}.crc").unlink(missing_ok=True)  # Hadoop's checksum of another content
    os.replace(staging, target)


def download(spark: SparkSession, path: str, local: str | LocalPath) -> None:
    """Copies a file to this machine.

    Args:
        spark: the session.
        path: of the file.
        local: of the copy.
    """
    fs, source = _open(spark, path)
    jvm: Any = spark.sparkContext._jvm
    fs.copyToLocalFile(False, source, jvm.org.apache.hadoop.fs.Path(LocalPath(local).resolve().as_uri()), True)


def write_bytes(spark: SparkSession, path: str, content: bytes) -> None:
    """Writes a file in one atomic step, over what was there.

    Args:
        spark: the session.
        path: of the file.
        content: all of it.
    """
    with tempfile.TemporaryDirectory() as folder:
        local = LocalPath(folder) / "content"
        local.write_bytes(content)
        upload(spark, local, path)


def create(spark: SparkSession, path: str, content: bytes) -> bool:
    """Writes a file if there is none; returns false if there is. Of several processes at once one succeeds.

    Args:
        spark: the session.
        path: of the file.
        content: all of it.
    """
    target = absolute(spark, path)
    if target.startswith("file:"):
        return _create_local(LocalPath("/" + target.removeprefix("file:").lstrip("/")), content)
    fs, hadoop_path = _open(spark, path)
    try:
        stream = fs.create(hadoop_path, False)
    except Py4JJavaError as error:
        if _is_a(error, "FileAlreadyExistsException"):
            return False
        raise
    stream.write(bytearray(content))
    stream.close()
    return True


def _create_local(target: LocalPath, content: bytes) -> bool:
    """Uses a hard link, which is made or refused in one step: Hadoop's local file system looks first, then writes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".") as staging:
        staging.write(content)
        staging.flush()
        os.fsync(staging.fileno())
        try:
            os.link(staging.name, target)
        except FileExistsError:
            return False
    return True


def read_bytes(spark: SparkSession, path: str) -> bytes:
    """The content of a file.

    Args:
        spark: the session.
        path: taken literally.
    """
    with tempfile.TemporaryDirectory() as folder:
        local = LocalPath(folder) / "content"
        download(spark, path, local)
        return local.read_bytes()
