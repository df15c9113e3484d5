"""Raw text files are parsed once: their rows stay as Parquet for the later nights whose window holds the same files.

Layout below `<root>/parsed`, one folder for each way to parse:

    <digest of format, options and columns>/<batch>/        raw columns, _corrupt_record and source_file, nothing more
    <digest of format, options and columns>/<batch>.json    what it holds: file → [bytes, time of its last change]

A file of another size or time of change is another file and is parsed anew. No join, expression or rule has touched the
rows: what the settings and the side tables make of them is made every night. A batch is written by one night and
never over another; it counts once its document is there. All of it may be deleted: it costs the time to parse again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec import columns as c
from bgmrec import files as fs
from bgmrec.config.sources import Files
from bgmrec.tables import Tables

PARSED = "parsed"  # folder below paths.root

_SLASHES = "^file:/+"  # Hadoop and Spark do not agree how many there are

Identity = tuple[int, int]  # bytes, milliseconds of the last change; a file's name is its URI


@dataclass
class ParsedFiles:
    """The kept rows, and what a night made of them.

    Args:
        place: where they lie.
        ds: the logical date, which its batches are named by.
        kept: files whose rows were there.
        parsed: files that were parsed and kept.
    """

    place: Tables
    ds: date
    kept: int = 0
    parsed: int = 0

    def rows(
        self, files: Files, paths: Sequence[str], parse: Callable[[list[str]], list[DataFrame]]
    ) -> list[DataFrame] | None:
        """The rows of all files below the paths, those of unknown files parsed and kept. An action where there are any.

        Args:
            files: how they are parsed.
            paths: files, or folders that hold nothing but files.
            parse: paths → rows with the columns that a batch has.

        Returns:
            tables to put together by name; none where the rows cannot be kept and must be parsed every night: nested
            folders, or columns that differ by case alone
        """
        below: dict[str, list[fs.Listed]] = {}
        for path in paths:
            found = fs.listed(self.place.spark, path)
            if found is None:
                return None
            below[path] = found
        tonight = {_one_slash(file.uri): (file.size, file.changed) for found in below.values() for file in found}
        shelf = _Shelf(self.place.below(_way(files)))
        batches = shelf.holding(tonight)
        known = {uri for batch in batches for uri in batch.files}
        missing = [part for path, found in below.items() for part in _unknown(path, found, known)]
        new = parse(missing) if missing else []
        if _spelled_alike([*(batch.columns for batch in batches), *(part.columns for part in new)]):
            return None
        if new:
            unknown = {uri: identity for uri, identity in tonight.items() if uri not in known}
            batches.append(shelf.add(new, unknown, self.ds))
            self.parsed += len(unknown)
        self.kept += len(known)
        return shelf.tables(batches)


@dataclass(frozen=True)
class _Batch:
    """Some files' rows.

    Args:
        name: of its folder.
        columns: of its table.
        files: those of its files that are wanted.
        whole: whether these are all.
    """

    name: str
    columns: list[str]
    files: dict[str, Identity]
    whole: bool


@dataclass(frozen=True)
class _Shelf:
    """The batches of one way to parse."""

    place: Tables

    def holding(self, wanted: Mapping[str, Identity]) -> list[_Batch]:
        """The batches with the wanted files, each file in the newest that has it as it is now."""
        left = dict(wanted)
        found = []
        for name in reversed(self._names()):
            document = self.place.read_json(name) or {"columns": [], "files": {}}
            same = {file: left[file] for file, known in document["files"].items() if left.get(file) == tuple(known)}
            if same:
                found.append(_Batch(name, document["columns"], same, len(same) == len(document["files"])))
            for file in same:
                del left[file]
        return found

    def add(self, parts: list[DataFrame], files: dict[str, Identity], ds: date) -> _Batch:
        """Writes the rows, then the document, without which nobody reads them."""
        rows = parts[0]
        for part in parts[1:]:
            rows = rows.unionByName(part, allowMissingColumns=True)
        name = f"{ds}-{sum(known.startswith(str(ds)) for known in self._names()):03d}"
        written = self.place.write(rows, name)
        batch = _Batch(name, written.columns, files, True)
        # a file that is named in another way among the rows could not be told from one that is gone
        if {_one_slash(row[c.SOURCE_FILE]) for row in written.select(c.SOURCE_FILE).distinct().collect()} <= set(files):
            self.place.write_json(name, {"columns": batch.columns, "files": files})
        return batch

    def tables(self, batches: list[_Batch]) -> list[DataFrame]:
        """The wanted rows: batches of the same columns that are wanted whole are one table."""
        whole: dict[tuple[str, ...], list[str]] = {}
        found = []
        for batch in batches:
            if batch.whole:
                whole.setdefault(tuple(batch.columns), []).append(self.place.path(batch.name))
            else:
                rows = self._read(batch.columns, [self.place.path(batch.name)])
                name = f.regexp_replace(c.SOURCE_FILE, _SLASHES, "file:/")
                found.append(rows.where(name.isin(list(batch.files))))
        return [*found, *(self._read(list(columns), paths) for columns, paths in whole.items())]

    def _read(self, columns: list[str], paths: list[str]) -> DataFrame:
        schema = t.StructType([t.StructField(name, t.StringType()) for name in columns])
        return self.place.spark.read.schema(schema).parquet(*paths)

    def _names(self) -> list[str]:
        found = fs.glob(self.place.spark, f"{self.place.root}/*.json")
        return [path.rsplit("/", 1)[-1].removesuffix(".json") for path in found]


def _way(files: Files) -> str:
    """What decides how a file becomes rows."""
    way = [files.format, files.options, files.columns]
    return hashlib.sha256(json.dumps(way, sort_keys=True).encode()).hexdigest()[:12]


def _one_slash(uri: str) -> str:
    return re.sub(_SLASHES, "file:/", uri)


def _unknown(path: str, found: list[fs.Listed], known: set[str]) -> list[str]:
    """The path itself where nothing below it is known, else its unknown files."""
    unknown = [file.path for file in found if _one_slash(file.uri) not in known]
    return [path] if len(unknown) == len(found) else unknown


def _spelled_alike(tables: list[list[str]]) -> bool:
    """Whether two tables' columns differ by case alone, which reading all files at once would settle among them."""
    names = {name for columns in tables for name in columns}
    return len({name.lower() for name in names}) < len(names)
