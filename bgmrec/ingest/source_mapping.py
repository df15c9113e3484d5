"""How one source's files become mapped rows, whatever its kind, and what decides it."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from bgmrec.config.sources import Source
from bgmrec.ingest.duplicates import with_digests
from bgmrec.ingest.expressions import SideTable, join_sides, joined_hash, joined_key, joined_otherwise, read_sides
from bgmrec.ingest.sources import existing_paths, read_paths
from bgmrec.runtime.sql_functions import PSEUDONYM
from bgmrec.storage import columns as c

# what an expression may say that is not the same in every night, or needs a key that may change
_NONDETERMINISTIC = re.compile(
    r"\b(current_\w+|localtimestamp|unix_timestamp\s*\(\s*\)"
    r"|(curdate|now|randn?|random|uuid|shuffle|monotonically_increasing_id|spark_partition_id|input_file_\w+"
    rf"|session_user|user|version|reflect|java_method|{PSEUDONYM})\s*\()",
    re.IGNORECASE,
)
_CODE = ("accounting", "duplicates", "expressions", "names", "recipe", "sources")

# joined rows, names of the raw record's columns, marks to keep → mapped rows
MapJoined = Callable[[DataFrame, list[str], list[str]], DataFrame]


@dataclass(frozen=True)
class SourceMapping:
    """How a source's files become rows, each of its own record and joined rows alone.

    Args:
        spark: the session.
        source: the settings of the source.
        where: the settings' name of it.
        data: what `{data}` in a path stands for.
        ds: the logical date.
        map_joined: maps the joined rows.
        expressions: all that it evaluates over them, besides the joins' own.
        rules: everything else that decides what it makes of them.
        code: names of the modules in `bgmrec.ingest` that it is made of, besides those of every source.
        drop_duplicates: of `with_digests`.
        alone: whether a record's row is the same whatever columns the other files have.
    """

    spark: SparkSession
    source: Source
    where: str
    data: str
    ds: date
    map_joined: MapJoined
    expressions: Sequence[str | None]
    rules: Any
    code: tuple[str, ...]
    drop_duplicates: bool = True
    alone: bool = True

    @cached_property
    def sides(self) -> list[SideTable]:
        return read_sides(self.spark, self.source.joins, where=self.where, data=self.data, ds=self.ds)

    def paths(self) -> list[str]:
        return existing_paths(self.spark, self.source, self.data, self.ds)

    def read(self, paths: list[str]) -> DataFrame:
        return read_paths(self.spark, self.source, paths)

    def map(self, raw: DataFrame) -> DataFrame:
        """Raw rows → mapped ones whatever the night, with what they were joined by."""
        record = sorted(name for name in raw.columns if name != c.SOURCE_FILE)
        joined = join_sides(with_digests(raw, record, self.drop_duplicates), self.sides)
        marks = [name(n) for n in range(len(self.sides)) for name in (joined_key, joined_hash)]
        return self.map_joined(joined, record, marks)

    def changed(self, rows: DataFrame) -> DataFrame:
        """Mapped rows of earlier nights → those among them that would now be others."""
        return joined_otherwise(rows, self.sides)

    @property
    def cacheable(self) -> bool:
        """Whether later nights read the same files again, and would make the same rows of them."""
        source = self.source
        texts = [*self.expressions, *(text for table in source.joins for text in (*table.on, *table.select))]
        lasting = self.drop_duplicates and not any(_NONDETERMINISTIC.search(text) for text in texts if text)
        windowed = (source.lookback_days or 1) > 1 and source.format != "parquet"
        return source.keep_mapped and windowed and lasting and self.alone

    def cache_key(self) -> list[Any]:
        """What decides how a record is mapped: settings, code, and Spark."""
        out = {"paths", "lookback_days", "allow_missing_days", "keep_mapped"}
        dumped = self.source.model_dump(mode="json", exclude={**dict.fromkeys(out, True), "joins": {"__all__": out}})
        conf = [self.spark.conf.get(f"spark.sql.{name}") for name in ("ansi.enabled", "legacy.timeParserPolicy")]
        code = [inspect.getsource(importlib.import_module(f"bgmrec.ingest.{name}")) for name in (*_CODE, *self.code)]
        return [dumped, self.rules, self.spark.version, conf, code]
