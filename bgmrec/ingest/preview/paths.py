"""Files → the paths of a source: `{data}` for their common folder, `{ds}` for a date in their names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

MIN_WINDOW = 30  # days; a log that has just begun continues to grow
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class SourcePaths:
    """`paths` of a source, and the days of its window; None where its names hold no date."""

    paths: list[str]
    lookback_days: int | None = None


def common_folder(files: Sequence[Path]) -> Path:
    """The folder that all files lie below, above any with a date in its name; relative where the files are.

    Args:
        files: one at least.
    """
    folder = Path(os.path.commonpath([str(file.parent) for file in files]))
    while _day(folder.name):
        folder = folder.parent
    return folder


def source_paths(files: Sequence[Path], folder: Path) -> SourcePaths:
    """The paths of one source's files below the folder of all data.

    Args:
        files: of the source.
        folder: what `{data}` stands for.
    """
    days: set[date] = set()
    paths: dict[str, None] = {}
    for file in files:
        parts = file.relative_to(folder).parts
        dated = next((n for n, part in enumerate(parts) if _day(part)), None)
        if dated is None:
            paths["/".join(("{data}", *parts))] = None
            continue
        day = _day(parts[dated])
        days |= {day} if day else set()
        # Spark reads a dated folder as a whole
        paths["/".join(("{data}", *parts[:dated], parts[dated].replace(str(day), "{ds}")))] = None
    window = max(MIN_WINDOW, (max(days) - min(days)).days + 1) if days else None
    return SourcePaths(list(paths), window)


def _day(name: str) -> date | None:
    match = _DATE.search(name)
    try:
        return date.fromisoformat(match.group()) if match else None
    except ValueError:
        return None
