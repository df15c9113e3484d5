"""Files and folders on any Hadoop file system, through the Hadoop client in Spark's Java."""

from __future__ import annotations

import re
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


def behind_mounts(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """The file system that really holds a path, and the path in it: what a mount of Hadoop's viewfs leads to.

    Args:
        spark: the session.
        path: of a file or folder, whether it exists or not.
    """
    fs, hadoop_path = _open(spark, path)
    if ".viewfs." not in str(fs.getClass().getName()):
        return fs, fs.makeQualified(hadoop_path)
    names: list[str] = []
    folder = fs.makeQualified(hadoop_path)
    while folder.getParent() is not None and not fs.exists(folder):
        names.append(str(folder.getName()))
        folder = folder.getParent()
    target = fs.resolvePath(folder)
    jvm: Any = spark.sparkContext._jvm
    for name in reversed(names):
        target = jvm.org.apache.hadoop.fs.Path(target, name)
    return target.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()), target


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
        if is_a(error, "FileNotFoundException"):
            return []
        raise
    return sorted(str(path.toString()) for path in paths if fnmatchcase(str(path.getName()), names))


def literal(path: str) -> str:
    """The path as a pattern that matches only this path: Spark's readers take every path for a pattern.

    Args:
        path: any path.
    """
    return _GLOB_CHARACTERS.sub(r"\\\g<0>", path)


def is_a(error: Py4JJavaError, name: str) -> bool:
    """Whether Java raised an exception of a class with this name.

    Args:
        error: raised by Java.
        name: part of the name of the class.
    """
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
    return is_a(error, "FileNotFoundException") or is_a(error, "AccessControlException")


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
