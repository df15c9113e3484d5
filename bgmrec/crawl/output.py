"""The result of a crawl: gzip JSON lines and a manifest, in a folder that appears whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

MANIFEST = "_manifest.json"  # Spark passes over names that begin with an underscore or a dot
_LINES_PER_PART = 50_000


def is_published(folder: Path) -> bool:
    """Whether the crawl of this date is there."""
    return (folder / MANIFEST).exists()


def publish(folder: Path, lines: Iterable[str], facts: dict[str, Any]) -> None:
    """Writes everything beside its place and puts it there in one step.

    Args:
        folder: `<out>/<name>/date=<ds>`, which must not be there yet.
        lines: one record each.
        facts: the manifest; the list of parts is added.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed while writing
    partial.mkdir(parents=True)
    parts = [_write_part(partial, number, part) for number, part in enumerate(_parts(iter(lines)))]
    _write(partial / MANIFEST, json.dumps({**facts, "parts": parts}, indent=2, ensure_ascii=False).encode())
    _sync(partial)
    partial.rename(folder)
    _sync(folder.parent)


def _parts(lines: Iterator[str]) -> Iterator[list[str]]:
    while part := list(islice(lines, _LINES_PER_PART)):
        yield part


def _write_part(folder: Path, number: int, lines: list[str]) -> dict[str, Any]:
    name = f"part-{number:05d}.jsonl.gz"
    packed = io.BytesIO()
    # without a name and a time inside, equal records give equal files
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as stream:
        for line in lines:
            stream.write(line.encode() + b"\n")
    content = packed.getvalue()
    _write(folder / name, content)
    return {
        "name": name,
        "records": len(lines),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    """Makes the names in a folder outlast a loss of power, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
