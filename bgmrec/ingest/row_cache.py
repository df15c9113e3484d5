"""Cache of mapped rows by raw file: later runs read the mapped rows of files that have not changed.

Layout below `<root>/mapped`, a folder for each cache key, which is a digest of settings and code:

    <key>/<batch>/        mapped rows with the hashes of what they joined
    <key>/<batch>.json    URI of each file → [bytes, time of its last change]; raw columns and schema

A file of another size or time of change is read again, and so is one for whose rows a side table holds something else
now. A run therefore gets the rows that it would get without the cache. A batch is written by one run and never
overwritten; it is valid once its document exists. The folder may be deleted, which costs the time to read the files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.ingest.column_names import raw_columns
from bgmrec.ingest.duplicates import SOURCE_POSITION
from bgmrec.ingest.input_files import ONE_SLASH, SLASHES, InputFile, one_slash
from bgmrec.ingest.read_failures import read_failures
from bgmrec.ingest.source_mapping import SourceMapping
from bgmrec.storage import columns as c
from bgmrec.storage import files as fs
from bgmrec.storage.tables import Tables

CACHE_FOLDER = "mapped"  # below paths.root

Identity = tuple[int, int]  # bytes, milliseconds of the last change; the name of a file is its URI


@dataclass
class RowCache:
    """The mapped rows of files, and counts of what a run read.

    Args:
        store: the folder of the cache.
        ds: the logical date; new batches are named by it.
        n_hits: files whose rows were in the cache.
        n_misses: files that were read and added to it.
        files: name of a source → its files, cached or not.
    """

    store: Tables
    ds: date
    n_hits: int = 0
    n_misses: int = 0
    files: dict[str, list[InputFile]] = field(default_factory=dict)

    def rows(self, files: Sequence[InputFile], mapping: SourceMapping) -> list[DataFrame] | None:
        """The mapped rows of all files; rows of files that are not cached are mapped and added.

        Args:
            files: of the source.
            mapping: how they are mapped.

        Returns:
            tables to union; None where the source cannot be cached: raw columns that differ by case alone, or no file
            at all
        """
        current = {file.uri: (file.size, file.changed) for file in files}
        if not current:
            return None
        batches = _Batches(self.store.below(_digest(mapping.cache_key())))
        valid = batches.unchanged(batches.holding(current), mapping.changed)
        cached = {uri for batch in valid for uri in batch.files}
        missing = [file for file in files if file.uri not in cached]
        if missing:
            raw = mapping.read(missing)
            columns = {*raw_columns(raw), *(name for batch in valid for name in batch.columns)}
            if len({name.lower() for name in columns}) < len(columns):
                return None  # which spelling counts depends on all files together
            for absent in sorted(columns - set(raw.columns)):
                raw = raw.withColumn(absent, f.lit(None).cast("string"))
            new = {uri: identity for uri, identity in current.items() if uri not in cached}
            valid.append(batches.add(mapping.map(raw), raw.inputFiles(), sorted(columns), new, self.ds))
            self.n_misses += len(new)
        self.n_hits += len(cached)
        return batches.tables(valid)


def map_sources(
    mappings: Sequence[SourceMapping],
    columns: Sequence[str],
    cache: RowCache | None,
    write: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """The mapped rows of all sources, each with the position of its source.

    Args:
        mappings: the sources, in the order of the settings.
        columns: of the result, `SOURCE_POSITION` among them.
        cache: the rows of files that earlier runs mapped; None: all files are read.
        write: writes the rows that are not in the cache, and returns the written table.

    Raises:
        InputError: files or days are missing, or a file is damaged.
        SettingsError: an expression is not valid over its source's columns.
    """
    tables: list[DataFrame] = []
    uncached: list[tuple[SourceMapping, DataFrame]] = []
    for position, mapping in enumerate(mappings):
        files = mapping.files().read
        cached = None
        if cache is not None:
            cache.files[mapping.source.name] = files
        if cache is not None and mapping.cacheable:
            uris = [file.uri for file in files]
            with read_failures(mapping.spark, mapping.where, uris.copy, withheld=False):
                cached = cache.rows(files, mapping)
        rows = [mapping.map(mapping.read(files))] if cached is None else cached
        positioned = [table.withColumn(SOURCE_POSITION, f.lit(position)).select(*columns) for table in rows]
        if cached is None:
            uncached += [(mapping, table) for table in positioned]
        else:
            tables += positioned
    if uncached:
        tables.append(_written(uncached, write))
    return reduce(DataFrame.unionByName, tables)


def _written(mapped: Sequence[tuple[SourceMapping, DataFrame]], write: Callable[[DataFrame], DataFrame]) -> DataFrame:
    rows = reduce(DataFrame.unionByName, [table for _, table in mapped])
    where = ", ".join(mapping.where for mapping, _ in mapped)
    withheld = any(mapping.has_pseudonyms for mapping, _ in mapped)
    with read_failures(mapped[0][0].spark, where, rows.inputFiles, withheld=withheld):
        return write(rows)


@dataclass(frozen=True)
class _Batch:
    """The rows of some files.

    Args:
        name: of its folder.
        columns: raw columns of its files.
        schema: of its table.
        files: URIs of those of its files that the run reads.
        whole: whether these are all of its files.
    """

    name: str
    columns: list[str]
    schema: t.StructType
    files: frozenset[str]
    whole: bool


@dataclass(frozen=True)
class _Batches:
    """The batches of one cache key."""

    store: Tables

    def holding(self, current: Mapping[str, Identity]) -> list[_Batch]:
        """The batches with the current files, each file in the newest batch that has its present version."""
        remaining = dict(current)
        batches = []
        for name in reversed(self._names()):
            document = self.store.document(name)
            files = document["files"]
            same = frozenset(uri for uri, identity in files.items() if remaining.get(uri) == tuple(identity))
            if same:
                schema = t.StructType.fromJson(document["schema"])
                batches.append(_Batch(name, document["columns"], schema, same, len(same) == len(files)))
            for uri in same:
                del remaining[uri]
        return batches

    def unchanged(self, batches: list[_Batch], changed: Callable[[DataFrame], DataFrame]) -> list[_Batch]:
        """The batches without the files of which a row would be mapped otherwise now."""
        if not batches:
            return []
        stale_rows = reduce(DataFrame.unionByName, [changed(table) for table in self.tables(batches)])
        stale = {one_slash(row[c.SOURCE_FILE]) for row in stale_rows.select(c.SOURCE_FILE).distinct().collect()}
        valid = []
        for batch in batches:
            files = batch.files - stale
            if files:
                valid.append(replace(batch, files=files, whole=batch.whole and len(files) == len(batch.files)))
        return valid

    def add(
        self, rows: DataFrame, names: list[str], columns: list[str], files: dict[str, Identity], ds: date
    ) -> _Batch:
        """Writes the rows, then the document that makes the batch valid."""
        numbers = [int(name.rsplit("-", 1)[-1]) for name in self._names() if name.startswith(str(ds))]
        name = f"{ds}-{max(numbers, default=-1) + 1:03d}"  # not their count: some batches may have been removed
        written = self.store.write(rows, name)
        row = written.select(c.SOURCE_FILE).first()
        # a file whose URI Spark writes in another way could not be told from a removed one
        if {one_slash(file) for file in (names if row is None else [*names, row[c.SOURCE_FILE]])} == set(files):
            self.store.write_json(name, {"columns": columns, "files": files, "schema": written.schema.jsonValue()})
        return _Batch(name, columns, written.schema, frozenset(files), True)

    def tables(self, batches: list[_Batch]) -> list[DataFrame]:
        """The rows of the batches' files: batches that are read whole are one table."""
        whole = [self.store.path(batch.name) for batch in batches if batch.whole]
        parts = [self._read(batch.schema, [self.store.path(batch.name)], batch) for batch in batches if not batch.whole]
        return [*parts, self._read(batches[0].schema, whole)] if whole else parts

    def _read(self, schema: t.StructType, paths: list[str], part: _Batch | None = None) -> DataFrame:
        rows = self.store.spark.read.schema(schema).parquet(*map(fs.literal, paths))
        if part is None:
            return rows
        return rows.where(f.regexp_replace(c.SOURCE_FILE, SLASHES, ONE_SLASH).isin(sorted(part.files)))

    def _names(self) -> list[str]:
        paths = fs.children(self.store.spark, self.store.root, "*.json")
        return [path.rsplit("/", 1)[-1].removesuffix(".json") for path in paths]


def _digest(cache_key: Any) -> str:
    return hashlib.sha256(json.dumps(cache_key, sort_keys=True, default=str).encode()).hexdigest()[:12]
