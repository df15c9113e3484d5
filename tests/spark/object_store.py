"""A Hadoop file system that behaves as an object store: nothing is renamed or created in one step.

An object appears when its stream is closed; until then readers see the old one. A file is created by a look and a
later write, unless the store has conditional writes. A folder disappears object by object. A rename fails the test: on
a store it copies and deletes. Between any two steps the test may kill the process.

Spark reads and writes the same objects: behind the double, Hadoop's viewfs shows a local folder as `s3a://bucket/root`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from bgmrec.storage import files
from bgmrec.storage.guarantees import CONDITIONAL_CREATE

Step = Callable[[str, str], None]  # (operation, path), called before it takes effect


class Killed(BaseException):
    """The process ends here: nothing after it runs."""


def killed_at(number: int) -> Step:
    """Kills the process at its `number`-th step, from 1; it takes none after it."""
    steps: list[str] = []

    def step(operation: str, path: str) -> None:
        steps.append(f"{operation} {path}")
        if len(steps) >= number:
            raise Killed(steps[number - 1])

    return step


def kill_points(folder: Path) -> Iterator[tuple[int, Path]]:
    """The steps to kill at, from 1, each with a folder of its own; whoever iterates ends when nothing was killed."""
    for number in count(1):
        below = folder / f"killed-at-{number}"
        below.mkdir()
        yield number, below


class ObjectStore:
    """What `bgmrec.storage` uses of a Hadoop file system.

    Args:
        spark: the session.
        fs: the file system behind it, over a local folder.
        conditional: whether the store has conditional writes, and its client says so.
        step: called before anything changes.
    """

    def __init__(self, spark: SparkSession, fs: Any, conditional: bool, step: Step):
        self._spark, self._fs, self._conditional, self._step = spark, fs, conditional, step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fs, name)

    def getClass(self) -> Any:
        return SimpleNamespace(getName=lambda: "org.apache.hadoop.fs.s3a.S3AFileSystem")

    def hasPathCapability(self, path: Any, name: str) -> bool:
        return name == CONDITIONAL_CREATE and self._conditional

    def rename(self, source: Any, target: Any) -> bool:
        pytest.fail(f"an object store has no rename: {source.toString()} -> {target.toString()}")

    def create(self, path: Any, overwrite: bool) -> _Stream:
        if not overwrite and self._fs.exists(path):  # looks now, and writes when it is closed
            raise self._error("FileAlreadyExistsException", path)
        return _Stream(lambda content: self._put(path, content))

    def createFile(self, path: Any) -> _Builder:
        return _Builder(self, path)

    def copyFromLocalFile(self, delete_source: bool, overwrite: bool, local: Any, path: Any) -> None:
        assert overwrite and not delete_source
        self._put(path, Path(local.toUri().getPath()).read_bytes())

    def delete(self, path: Any, recursive: bool) -> bool:
        folder = self._local(path)
        for file in sorted(folder.rglob("*"), reverse=True) if folder.is_dir() else []:
            self._step("delete", file.name)
            file.rmdir() if file.is_dir() else file.unlink()
        if not self._fs.exists(path):
            return False
        self._step("delete", folder.name)
        return bool(self._fs.delete(path, recursive))

    def _put(self, path: Any, content: bytes, *, if_none: bool = False) -> None:
        target = self._local(path)
        self._step("put", target.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        whole = target.with_name(f".{target.name}.{threading.get_ident()}")
        whole.write_bytes(content)
        target.with_name(f".{target.name}.crc").unlink(missing_ok=True)
        try:
            os.link(whole, target) if if_none else os.replace(whole, target)
        except FileExistsError:
            raise self._error("PathIOException", path) from None  # S3A: RemoteFileChangedException, 412
        finally:
            whole.unlink(missing_ok=True)

    def _local(self, path: Any) -> Path:
        """The file behind a path, whether it exists or not."""
        names = []
        while not self._fs.exists(path):
            names.append(path.getName())
            path = path.getParent()
        return Path(self._fs.resolvePath(path).toUri().getPath(), *reversed(names))

    def _error(self, name: str, path: Any) -> Py4JJavaError:
        fs: Any = self._spark.sparkContext._jvm.org.apache.hadoop.fs
        return Py4JJavaError(f"{name}: {path.toString()}", getattr(fs, name)(path.toString()))


class _Stream:
    def __init__(self, close: Callable[[bytes], None]):
        self._content, self._close = b"", close

    def write(self, content: bytes) -> None:
        self._content += content

    def close(self) -> None:
        self._close(self._content)


class _Builder:
    def __init__(self, store: ObjectStore, path: Any):
        self._store, self._path, self._conditional = store, path, False

    def must(self, name: str, value: bool) -> _Builder:
        assert value and self._store.hasPathCapability(self._path, name), f"the store does not know {name}"
        self._conditional = True
        return self

    def create(self) -> _Builder:
        return self

    def build(self) -> _Stream:
        return _Stream(lambda content: self._store._put(self._path, content, if_none=self._conditional))


@contextmanager
def object_store(
    spark: SparkSession, folder: Path, *, conditional: bool, scheme: str = "s3a", step: Step = lambda *_: None
) -> Iterator[str]:
    """Inside, `s3a://…` is an object store over a local folder; yields the address of its root."""
    context: Any = spark.sparkContext
    hadoop = context._jsc.hadoopConfiguration()
    hadoop.set(f"fs.{scheme}.impl", "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme")
    hadoop.set(f"fs.viewfs.overload.scheme.target.{scheme}.impl", "org.apache.hadoop.fs.LocalFileSystem")
    # a mount table is read once per bucket and then cached: folders of one name in two tests are two buckets
    bucket = f"{folder.name.replace('_', '-')}-{crc32(bytes(folder))}"
    hadoop.set(f"fs.viewfs.mounttable.{bucket}.link./root", folder.as_uri())
    opened = files._open

    def open_object(session: SparkSession, path: str) -> tuple[Any, Any]:
        fs, hadoop_path = opened(session, path)
        stored = str(fs.getUri().getScheme()) == scheme
        return (ObjectStore(session, fs, conditional, step) if stored else fs), hadoop_path

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files, "_open", open_object)
        yield f"{scheme}://{bucket}/root"
