"""Small files and directories on any Hadoop file system, through Spark's own client."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path as LocalPath
from typing import TYPE_CHECKING, Any, NamedTuple

from py4j.protocol import Py4JJavaError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def _open(spark: SparkSession, path: str) -> tuple[Any, Any]:
    jvm: Any = spark.sparkContext._jvm
    hadoop_path = jvm.org.apache.hadoop.fs.Path(path)
    return hadoop_path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()), hadoop_path


def absolute(spark: SparkSession, path: str) -> str:
    """The path with its scheme, so that readers with another working directory find it."""
    fs, hadoop_path = _open(spark, path)
    return str(fs.makeQualified(hadoop_path).toString())


def exists(spark: SparkSession, path: str) -> bool:
    fs, hadoop_path = _open(spark, path)
    return bool(fs.exists(hadoop_path))


def glob(spark: SparkSession, pattern: str) -> list[str]:
    """Paths that match, in rising order; none where nothing does."""
    fs, hadoop_path = _open(spark, pattern)
    return sorted(str(status.getPath().toString()) for status in fs.globStatus(hadoop_path) or [])


class Listed(NamedTuple):
    """A file: its path, the same as an encoded URI, bytes, milliseconds of its last change."""

    path: str
    uri: str
    size: int
    changed: int


def listed(spark: SparkSession, path: str) -> list[Listed] | None:
    """The file, or the files in a folder that Spark would read; none where the folder holds folders."""
    fs, hadoop_path = _open(spark, path)
    found = []
    for status in fs.listStatus(hadoop_path):
        name = str(status.getPath().getName())
        if name.startswith(".") or (name.startswith("_") and "=" not in name) or name.endswith("._COPYING_"):
            continue
        if status.isDirectory():
            return None
        listed = status.getPath()
        uri = str(listed.toUri().toString())
        found.append(Listed(str(listed.toString()), uri, int(status.getLen()), int(status.getModificationTime())))
    return found


def size(spark: SparkSession, path: str) -> int:
    """Bytes of a file, or of all the files below a directory."""
    fs, hadoop_path = _open(spark, path)
    return int(fs.getContentSummary(hadoop_path).getLength())


def delete(spark: SparkSession, path: str) -> None:
    fs, hadoop_path = _open(spark, path)
    fs.delete(hadoop_path, True)


def set_mode(spark: SparkSession, path: str, mode: str) -> None:
    """Gives a file, or a directory and the files below it, a mode; who may read a directory may enter it, too.

    Args:
        spark: the session.
        path: of the file or directory.
        mode: three octal digits, 640 for example.
    """
    fs, root = _open(spark, path)
    permission = spark.sparkContext._jvm.org.apache.hadoop.fs.permission.FsPermission  # type: ignore[union-attr]
    if fs.getFileStatus(root).isDirectory():
        entered = "".join(str(int(digit) | int(digit) >> 2) for digit in mode)
        fs.setPermission(root, permission(entered))
    found = fs.listFiles(root, True)
    while found.hasNext():
        fs.setPermission(found.next().getPath(), permission(mode))


def rename(spark: SparkSession, source: str, target: str) -> bool:
    """Renames a file or directory; false where the target exists or the source does not."""
    fs, hadoop_path = _open(spark, source)
    return bool(fs.rename(hadoop_path, _open(spark, target)[1]))


def upload(spark: SparkSession, local: str | LocalPath, path: str) -> None:
    """Copies a local file to its place in one atomic step: readers see the old file or the new one."""
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
    """The same on this machine's disks, where Hadoop's rename deletes the old file first: a reader would miss it."""
    staging = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, staging)
    with staging.open("rb") as written:
        os.fsync(written.fileno())
    target.with_name(f".{target.name}.crc").unlink(missing_ok=True)  # Hadoop's checksum of another content
    os.replace(staging, target)


def download(spark: SparkSession, path: str, local: str | LocalPath) -> None:
    """Copies a file to this machine."""
    fs, source = _open(spark, path)
    jvm: Any = spark.sparkContext._jvm
    fs.copyToLocalFile(False, source, jvm.org.apache.hadoop.fs.Path(LocalPath(local).resolve().as_uri()), True)


def write_bytes(spark: SparkSession, path: str, content: bytes) -> None:
    """Writes a whole file atomically."""
    with tempfile.TemporaryDirectory() as folder:
        local = LocalPath(folder) / "content"
        local.write_bytes(content)
        upload(spark, local, path)


def create(spark: SparkSession, path: str, content: bytes) -> bool:
    """Writes a whole file that is not there yet; false where it is: of several that try at once one succeeds."""
    target = absolute(spark, path)
    if target.startswith("file:"):
        return _create_local(LocalPath("/" + target.removeprefix("file:").lstrip("/")), content)
    fs, hadoop_path = _open(spark, path)
    try:
        stream = fs.create(hadoop_path, False)
    except Py4JJavaError as error:
        if "FileAlreadyExistsException" in str(error.java_exception.getClass().getName()):
            return False
        raise
    stream.write(bytearray(content))
    stream.close()
    return True


def _create_local(target: LocalPath, content: bytes) -> bool:
    """Hadoop's local file system looks first and then writes; a hard link is made or refused in one step."""
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
    with tempfile.TemporaryDirectory() as folder:
        local = LocalPath(folder) / "content"
        download(spark, path, local)
        return local.read_bytes()
