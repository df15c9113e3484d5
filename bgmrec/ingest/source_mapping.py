"""How the files of one source become mapped rows, and the cache key of that mapping."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from types import ModuleType
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession

from bgmrec.config.sources import Source
from bgmrec.ingest import (
    accounting,
    column_names,
    csv_files,
    duplicates,
    encoding,
    expressions,
    ids,
    json_lines,
    numbers,
    parquet_files,
    redaction,
    sources,
    unicode_forms,
)
from bgmrec.ingest.column_names import is_internal
from bgmrec.ingest.duplicates import with_digests
from bgmrec.ingest.expressions import (
    SideTable,
    join_keys,
    join_sides,
    joined_hash,
    joined_key,
    joined_otherwise,
    read_sides,
)
from bgmrec.ingest.input_files import InputFile
from bgmrec.ingest.raw_record import CORRUPT, FAULT, is_derived
from bgmrec.ingest.redaction import calls_pseudonym, columns_read, pseudonym_inputs, redacted_json
from bgmrec.ingest.source_files import FilesFound, find_files
from bgmrec.ingest.sources import Expressions, read_found, shows_columns
from bgmrec.ingest.unicode_forms import Form
from bgmrec.runtime.pseudonyms import pseudonymizer_from_environment

# functions whose result differs between two runs on the same row
_NONDETERMINISTIC = re.compile(
    r"\b(current_\w+|localtimestamp|unix_timestamp\s*\(\s*\)"
    r"|(curdate|now|randn?|random|uuid|shuffle|monotonically_increasing_id|spark_partition_id|input_file_\w+"
    r"|session_user|user|version|reflect|java_method)\s*\()",
    re.IGNORECASE,
)
# modules that every source is mapped by: a change in one of them makes another cache key
_CODE = (
    *(accounting, column_names, csv_files, duplicates, encoding, expressions, ids, json_lines, numbers),
    *(parquet_files, redaction, sources, unicode_forms),
)

# joined rows, the raw record as JSON, columns to keep → mapped rows
MapJoined = Callable[[DataFrame, Column, list[str]], DataFrame]


@dataclass(frozen=True)
class SourceMapping:
    """How the files of a source become rows; each row depends on its own record and the joined rows alone.

    Args:
        spark: the session.
        source: the settings of the source.
        where: name of the source in the settings.
        data: what `{data}` in a path stands for.
        ds: the logical date.
        map_joined: maps the joined rows.
        expressions: the source's expressions without those of its joins.
        rules: all other settings that decide the rows.
        code: modules that map this kind of source, besides those of every source.
        drop_duplicates: of `with_digests`.
        independent: whether the rows of a file are the same whatever columns the other files have.
        unicode_form: of the keys of joins.
    """

    spark: SparkSession
    source: Source
    where: str
    data: str
    ds: date
    map_joined: MapJoined
    expressions: Expressions
    rules: Any
    code: tuple[ModuleType, ...]
    drop_duplicates: bool = True
    independent: bool = True
    unicode_form: Form = "none"

    @cached_property
    def sides(self) -> list[SideTable]:
        """The side tables that the source joins."""
        return read_sides(
            self.spark,
            self.source.joins,
            where=self.where,
            data=self.data,
            ds=self.ds,
            withheld=self.has_pseudonyms,
            form=self.unicode_form,
        )

    def files(self) -> FilesFound:
        """The files of the window."""
        return find_files(self.spark, self.source, self.data, self.ds, self.where)

    def read(self, files: Sequence[InputFile]) -> DataFrame:
        """The raw rows of some files of the source.

        Args:
            files: from `files`.

        Raises:
            SettingsError: the expressions call `pseudonym()` and there is no usable key.
            InputError: the files cannot be opened.
        """
        if self.has_pseudonyms:
            pseudonymizer_from_environment()  # raises without a key, before a job starts
        keys = [key for table in self.source.joins for key in join_keys(table)]
        return read_found(
            self.spark,
            self.source,
            files,
            where=self.where,
            expressions=Expressions([*self.expressions.identifiers, *keys], self.expressions.others),
            withheld=self.has_pseudonyms,
        )

    def map(self, raw: DataFrame) -> DataFrame:
        """Raw rows → mapped rows that do not depend on the logical date, with the hashes of what they joined.

        Args:
            raw: from `read`.

        Raises:
            SettingsError: an expression is not valid over the columns.
        """
        names = sorted(name for name in raw.columns if name == CORRUPT or not is_internal(name))
        digested = with_digests(raw, [name for name in raw.columns if not is_derived(name)], self.drop_duplicates)
        joined = join_sides(digested, self.sides, show_columns=self.shows_columns)
        hashes = [name(n) for n in range(len(self.sides)) for name in (joined_key, joined_hash)]
        return self.map_joined(joined, self._record(joined, names), hashes)

    def _record(self, joined: DataFrame, names: list[str]) -> Column:
        if not self.has_pseudonyms:
            return expressions.record_json(names)
        inputs = self._raw_ids({*names, *(value for side in self.sides for value in side.values)})
        return redacted_json([joined.schema[name] for name in names], inputs, joined[FAULT].isNotNull())

    def _raw_ids(self, columns: set[str]) -> frozenset[str]:
        """The columns that hold raw ids: what `pseudonym()` reads, and the keys that a joined one is looked up by."""
        keys = [text for side in self.sides for text in side.left.values()]
        inputs = pseudonym_inputs(self.spark, [*self.expressions.all, *keys], columns)
        for side in reversed(self.sides):
            if inputs & set(side.values):
                inputs |= columns_read(self.spark, side.left.values(), columns)
        return inputs

    def changed(self, rows: DataFrame) -> DataFrame:
        """The rows whose side tables hold another row for them now.

        Args:
            rows: mapped rows of earlier runs.
        """
        return joined_otherwise(rows, self.sides)

    @property
    def has_pseudonyms(self) -> bool:
        """Whether an expression calls `pseudonym()`: then no value of a column that it reads may be stored or shown."""
        return calls_pseudonym(self._all_expressions)

    @property
    def shows_columns(self) -> bool:
        """Whether errors may list the columns of the files."""
        return shows_columns(self.source, self.has_pseudonyms)

    @property
    def _all_expressions(self) -> list[str]:
        return [*self.expressions.all, *(text for table in self.source.joins for text in (*table.on, *table.select))]

    @property
    def cacheable(self) -> bool:
        """Whether later runs read the same files again and map them to the same rows.

        Sources with pseudonyms are not cached: their rows depend on a key that may change.
        """
        source = self.source
        deterministic = not any(_NONDETERMINISTIC.search(text) for text in self._all_expressions)
        windowed = (source.lookback_days or 1) > 1 and source.format != "parquet"
        return (
            source.cache_rows
            and windowed
            and deterministic
            and self.drop_duplicates
            and self.independent
            and not self.has_pseudonyms
        )

    def cache_key(self) -> list[Any]:
        """What decides how a record is mapped: settings, source code and Spark."""
        ignored = {"paths", "lookback_days", "allow_missing_days", "cache_rows"}
        settings = self.source.model_dump(
            mode="json", exclude={**dict.fromkeys(ignored, True), "joins": {"__all__": ignored}}
        )
        conf = [self.spark.conf.get(f"spark.sql.{name}") for name in ("ansi.enabled", "legacy.timeParserPolicy")]
        code = [inspect.getsource(module) for module in (*_CODE, *self.code)]
        return [settings, self.rules, self.unicode_form, self.spark.version, conf, code]
