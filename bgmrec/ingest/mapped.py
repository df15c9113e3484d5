"""Logs and crawls are read and mapped once: their rows stay as Parquet for the nights to come that read the same files.

Layout below `<root>/mapped`, one folder for each way to map, which the digest of settings and code tells:

    <digest>/<batch>/        mapped rows, with what each was joined by
    <digest>/<batch>.json    what it holds: URI of a file → [bytes, time of its last change], its columns and schema

A file of another size or time of change is another file, and one of whose rows a side table would now say something
else is mapped anew, so that a night has what it would have had from nothing. A batch is written by one night and never
over another; it counts once its document is there. All of it may be deleted: it costs the time to read the files again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.ingest.duplicates import SOURCE_POSITION
from bgmrec.ingest.source_mapping import SourceMapping
from bgmrec.ingest.sources import files_below, raw_columns, reading
from bgmrec.storage import columns as c
from bgmrec.storage import files as fs
from bgmrec.storage.tables import Tables

MAPPED = "mapped"  # folder below paths.root

_SLASHES, _ONE_SLASH = "^file:/+", "file:/"  # Hadoop and Spark do not agree how many there are

Identity = tuple[int, int]  # bytes, milliseconds of the last change; a file's name is its URI


@dataclass
class MappedFiles:
    """The kept rows, and what a night made of them.

    Args:
        place: where they lie.
        ds: the logical date, which its batches are named by.
        kept: files whose rows were there.
        added: files that were read, and whose rows were kept.
    """

    store: Tables
    ds: date
    kept: int = 0
    added: int = 0

    def rows(self, paths: Sequence[str], mapping: SourceMapping) -> list[DataFrame] | None:
        """The mapped rows of all files below the paths; those of other files than before are made and kept. An action.

        Args:
            paths: files, or folders of files.
            recipe: how they are mapped.

        Returns:
            tables to put together; none where the rows cannot be kept and all files must be read every night: nested
            folders, raw columns that differ by case alone, or no file at all
        """
        below: dict[str, list[fs.Listed]] = {}
        for path in paths:
            found = fs.listed(self.store.spark, path)
            if found is None:
                return None
            below[path] = found
        current = {_one_slash(file.uri): (file.size, file.changed) for found in below.values() for file in found}
        if not current:
            return None
        mapped_batches = _MappedBatches(self.store.below(_digest(mapping.cache_key())))
        batches = mapped_batches.unchanged(mapped_batches.holding(current), mapping.changed)
        known = {uri for batch in batches for uri in batch.files}
        missing = [part for path, found in below.items() for part in _unknown(path, found, known)]
        if missing:
            raw = mapping.read(missing)
            columns = {*raw_columns(raw), *(name for batch in batches for name in batch.columns)}
            if len({name.lower() for name in columns}) < len(columns):
                return None  # which of them counts, reading all files at once would settle among all
            for absent in sorted(columns - set(raw.columns)):
                raw = raw.withColumn(absent, f.lit(None).cast("string"))
            new = {uri: identity for uri, identity in current.items() if uri not in known}
            batches.append(mapped_batches.add(mapping.map(raw), raw.inputFiles(), sorted(columns), new, self.ds))
            self.added += len(new)
        self.kept += len(known)
        return mapped_batches.tables(batches)


def map_sources(
    mappings: Sequence[SourceMapping],
    columns: Sequence[str],
    kept: MappedFiles | None,
    write: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """The mapped rows of all sources, each with its source's position.

    Args:
        recipes: the sources, in the order of the settings.
        columns: of the result, `SOURCE_POSITION` among them.
        kept: rows that earlier nights mapped; none: all files are read.
        write: writes the rows that are not kept there and returns them as read back.

    Raises:
        InputError: files or days are missing.
        SettingsError: an expression is not valid over its source's columns.
    """
    lasting: list[DataFrame] = []
    fresh: list[DataFrame] = []
    for position, mapping in enumerate(mappings):
        paths = mapping.paths()
        rows = None
        if kept is not None and mapping.cacheable:
            with reading(mapping.where, mapping.spark, files_below(mapping.spark, paths)):
                rows = kept.rows(paths, mapping)
        tables, store = ([mapping.map(mapping.read(paths))], fresh) if rows is None else (rows, lasting)
        store += [table.withColumn(SOURCE_POSITION, f.lit(position)).select(*columns) for table in tables]
    if fresh:
        lasting.append(write(reduce(DataFrame.unionByName, fresh)))
    return reduce(DataFrame.unionByName, lasting)


@dataclass(frozen=True)
class _Batch:
    """Some files' rows.

    Args:
        name: of its folder.
        columns: raw columns of its files.
        schema: of its table.
        files: URIs of those of its files that are wanted.
        whole: whether these are all.
    """

    name: str
    columns: list[str]
    schema: t.StructType
    files: frozenset[str]
    whole: bool


@dataclass(frozen=True)
class _MappedBatches:
    """The batches of one way to map."""

    store: Tables

    def holding(self, wanted: Mapping[str, Identity]) -> list[_Batch]:
        """The batches with the wanted files, each file in the newest that has it as it is now."""
        left = dict(wanted)
        found = []
        for name in reversed(self._names()):
            document = self.store.document(name)
            files = document["files"]
            same = frozenset(uri for uri, identity in files.items() if left.get(uri) == tuple(identity))
            if same:
                schema = t.StructType.fromJson(document["schema"])
                found.append(_Batch(name, document["columns"], schema, same, len(same) == len(files)))
            for uri in same:
                del left[uri]
        return found

    def unchanged(self, batches: list[_Batch], changed: Callable[[DataFrame], DataFrame]) -> list[_Batch]:
        """The batches without the files of which a row would now be another."""
        if not batches:
            return []
        others = reduce(DataFrame.unionByName, [changed(table) for table in self.tables(batches)])
        gone = {_one_slash(row[c.SOURCE_FILE]) for row in others.select(c.SOURCE_FILE).distinct().collect()}
        left = []
        for batch in batches:
            files = batch.files - gone
            if files:
                left.append(replace(batch, files=files, whole=batch.whole and len(files) == len(batch.files)))
        return left

    def add(
        self, rows: DataFrame, named: list[str], columns: list[str], files: dict[str, Identity], ds: date
    ) -> _Batch:
        """Writes the rows, then the document, without which nobody reads them."""
        numbers = [int(known.rsplit("-", 1)[-1]) for known in self._names() if known.startswith(str(ds))]
        name = f"{ds}-{max(numbers, default=-1) + 1:03d}"  # not their count: some of them may have been removed
        written = self.store.write(rows, name)
        row = written.select(c.SOURCE_FILE).first()
        # a file that Spark names in quite another way could not be told from one that is gone
        if {_one_slash(file) for file in (named if row is None else [*named, row[c.SOURCE_FILE]])} == set(files):
            self.store.write_json(name, {"columns": columns, "files": files, "schema": written.schema.jsonValue()})
        return _Batch(name, columns, written.schema, frozenset(files), True)

    def tables(self, batches: list[_Batch]) -> list[DataFrame]:
        """The wanted rows: batches that are wanted whole are one table."""
        whole = [self.store.path(batch.name) for batch in batches if batch.whole]
        found = [self._read(batch.schema, [self.store.path(batch.name)], batch) for batch in batches if not batch.whole]
        return [*found, self._read(batches[0].schema, whole)] if whole else found

    def _read(self, schema: t.StructType, paths: list[str], part: _Batch | None = None) -> DataFrame:
        rows = self.store.spark.read.schema(schema).parquet(*paths)
        if part is None:
            return rows
        return rows.where(f.regexp_replace(c.SOURCE_FILE, _SLASHES, _ONE_SLASH).isin(sorted(part.files)))

    def _names(self) -> list[str]:
        found = fs.glob(self.store.spark, f"{self.store.root}/*.json")
        return [path.rsplit("/", 1)[-1].removesuffix(".json") for path in found]


def _digest(cache_key: Any) -> str:
    return hashlib.sha256(json.dumps(cache_key, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _one_slash(uri: str) -> str:
    return re.sub(_SLASHES, _ONE_SLASH, uri)


def _unknown(path: str, found: list[fs.Listed], known: set[str]) -> list[str]:
    """The path itself where nothing below it is known, else its unknown files."""
    unknown = [file.path for file in found if _one_slash(file.uri) not in known]
    return [path] if unknown and len(unknown) == len(found) else unknown
