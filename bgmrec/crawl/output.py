"""The result of a crawl: gzip JSON lines and a manifest, in a folder that is published in one step."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path
from typing import Any

MANIFEST = "_manifest.json"  # Spark ignores names that begin with an underscore or a dot
_BYTES_PER_PART = 128 * 2**20  # before compression: a gzip file is one task of Spark


def is_published(folder: Path) -> bool:
    """Whether the result of this date is published.

    Args:
        folder: of the result.
    """
    return (folder / MANIFEST).exists()


def write_result(folder: Path, lines: Iterable[str], facts: dict[str, Any]) -> None:
    """Writes the result to a temporary folder and renames it in one step; replaces the result of an earlier crawl.

    Args:
        folder: `<out>/<name>/date=<ds>`.
        lines: of the records.
        facts: the manifest; the list of parts is added.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed while writing
    partial.mkdir(parents=True)
    parts = list(_write_parts(partial, iter(lines)))
    _write(partial / MANIFEST, json.dumps({**facts, "parts": parts}, indent=2, ensure_ascii=False).encode())
    _sync(partial)
    replaced = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if folder.exists():
        folder.rename(replaced)
    partial.rename(folder)
    _sync(folder.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _write_parts(folder: Path, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Streams the lines into files of a bounded size; yields name, records, bytes and digest of each."""
    for number in count():
        first = next(lines, None)
        if first is None:
            return
        path = folder / f"part-{number:05d}.jsonl.gz"
        n_lines = _write_part(path, chain([first], lines))
        with path.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        yield {"name": path.name, "records": n_lines, "bytes": path.stat().st_size, "sha256": digest}


def _write_part(path: Path, lines: Iterable[str]) -> int:
    """Writes lines until the file is full; returns their number."""
    n_lines = n_bytes = 0
    # without a name and a time in the header, equal records give equal files
    with path.open("wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream:
        for line in lines:
            n_bytes += stream.write(line.encode() + b"\n")
            n_lines += 1
            if n_bytes >= _BYTES_PER_PART:
                break
    _sync(path)
    return n_lines


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    _sync(path)


def _sync(path: Path) -> None:
    """Flushes a file, or the names in a folder, to disk, so that it survives a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
