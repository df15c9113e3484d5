"""Rating logs → rows of (user, item, rating, weight, time), with every raw row accounted for.

Accounting: rows in = kept + rejected + filtered + after window + duplicates.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec import columns as c
from bgmrec.config.sources import RatingSource, RatingsSettings
from bgmrec.ingest import accounting as acc
from bgmrec.ingest.duplicates import DIGESTS, SOURCE_POSITION, with_digests
from bgmrec.ingest.expressions import (
    JOIN_MISSED,
    SideTable,
    join_sides,
    joined_hash,
    joined_keys,
    joined_otherwise,
    read_sides,
    record_json,
    select_expressions,
    timestamp,
)
from bgmrec.ingest.mapped import MappedFiles, Recipe
from bgmrec.ingest.sources import CORRUPT, existing_paths, read_paths, reading
from bgmrec.sql_functions import PSEUDONYM

_VALUES = [c.USER_ID, c.ITEM_ID, c.RATING, c.WEIGHT, c.RATED_AT]
# nothing was logged before; and Parquet's writer stops the whole night at a time before 1900
_EARLIEST = "1970-01-01 00:00:00"

_COLUMNS = [c.SOURCE, c.SOURCE_FILE, acc.STATE, c.REASON, c.RECORD, *_VALUES, *DIGESTS, SOURCE_POSITION]

# what an expression may say that is not the same in every night, or needs a key that may change
_FICKLE = re.compile(
    r"\b(current_\w+|localtimestamp|unix_timestamp\s*\(\s*\)"
    r"|(curdate|now|randn?|random|uuid|shuffle|monotonically_increasing_id|spark_partition_id|input_file_\w+"
    rf"|session_user|user|version|reflect|java_method|{PSEUDONYM})\s*\()",
    re.IGNORECASE,
)
_CODE = ("accounting", "duplicates", "expressions", "names", "ratings", "sources")


def map_ratings(
    spark: SparkSession,
    settings: RatingsSettings,
    *,
    data: str,
    ds: date,
    kept: MappedFiles | None = None,
    write: Callable[[DataFrame], DataFrame] = lambda rows: rows,
) -> DataFrame:
    """Every raw row of every source with its state and digest: values where kept, reason and record where refused.

    Needs no shuffle but those of the sources' joins; exact duplicates are still among the rows.

    Args:
        spark: the session.
        settings: `[ratings]`.
        data: what `{data}` in a path stands for.
        ds: the logical date.
        kept: rows that earlier nights mapped; none: all files are read.
        write: writes the rows that are not kept there and returns them as read back.

    Raises:
        InputError: files or days are missing.
        SettingsError: an expression is not valid over its source's columns.
    """
    lasting: list[DataFrame] = []
    fresh: list[DataFrame] = []
    for position, source in enumerate(settings.sources):
        where = f"ratings.sources.{source.name}"
        own = _Source(spark, source, settings, read_sides(spark, source.joins, where=where, data=data, ds=ds))
        paths = existing_paths(spark, source, data, ds)
        rows = None
        if kept is not None and _is_kept(source, settings):
            with reading(where, spark.read.text(paths)):
                rows = kept.rows(paths, Recipe(own.way(), own.read, own.map, own.changed))
        tables, place = ([own.map(own.read(paths))], fresh) if rows is None else (rows, lasting)
        place += [table.withColumn(SOURCE_POSITION, f.lit(position)) for table in tables]
    end = timestamp(datetime.combine(ds + timedelta(days=1), datetime.min.time()))
    return _up_to(_together([*lasting, *([write(_together(fresh))] if fresh else [])]), end)


def _together(tables: list[DataFrame]) -> DataFrame:
    return reduce(DataFrame.unionByName, [table.select(*_COLUMNS) for table in tables])


def _is_kept(source: RatingSource, settings: RatingsSettings) -> bool:
    """Whether later nights read the same files again, and would make the same rows of them."""
    texts = [source.where, *(getattr(source, name) for name in _VALUES)]
    texts += [text for table in source.joins for text in (*table.on, *table.select)]
    lasting = settings.drop_exact_duplicates and not any(_FICKLE.search(text) for text in texts if text)
    windowed = (source.lookback_days or 1) > 1 and source.format != "parquet"
    return source.keep_mapped and windowed and lasting


@dataclass(frozen=True)
class _Source:
    """One source, and the side tables of the night."""

    spark: SparkSession
    source: RatingSource
    settings: RatingsSettings
    sides: list[SideTable]

    def read(self, paths: list[str]) -> DataFrame:
        return read_paths(self.spark, self.source, paths)

    def map(self, raw: DataFrame) -> DataFrame:
        """Raw rows → mapped ones whatever the night, with what they were joined by."""
        record = [name for name in raw.columns if name != c.SOURCE_FILE]
        digested = with_digests(raw, record, self.settings.drop_exact_duplicates)
        joined = join_sides(digested, self.sides)
        marks = [name(n) for n in range(len(self.sides)) for name in (joined_keys, joined_hash)]
        return map_source(joined, record, marks, self.source, self.settings)

    def changed(self, rows: DataFrame) -> DataFrame:
        return joined_otherwise(rows, self.sides)

    def way(self) -> list[Any]:
        """What decides how a record is mapped: settings, code, and Spark."""
        out = {"paths", "lookback_days", "allow_missing_days", "keep_mapped"}
        dumped = self.source.model_dump(mode="json", exclude={**dict.fromkeys(out, True), "joins": {"__all__": out}})
        rules = self.settings.model_dump(mode="json", include={"minimum", "maximum", "unknown_items", "time_required"})
        conf = [self.spark.conf.get(f"spark.sql.{name}") for name in ("ansi.enabled", "legacy.timeParserPolicy")]
        code = [inspect.getsource(importlib.import_module(f"bgmrec.ingest.{name}")) for name in _CODE]
        return [dumped, rules, self.spark.version, conf, code]


def map_source(
    joined: DataFrame, record_columns: list[str], marks: list[str], source: RatingSource, settings: RatingsSettings
) -> DataFrame:
    """Maps one source's columns by its expressions and gives each row its state, but for the night's end.

    `rated_at` is there wherever the end may decide, and values wherever the row would be kept.
    """
    expressions = {f"_{name}": getattr(source, name) or "cast(null as timestamp)" for name in _VALUES}
    rows = select_expressions(
        joined,
        expressions | {"_where": source.where or "true"},
        ["*"],
        where=f"ratings.sources.{source.name}",
        optional=source.format == "jsonl",
    )
    time_required = settings.time_required and source.rated_at is not None
    rows = rows.withColumns(
        {
            "_user_id": _id("_user_id"),
            "_item_id": _id("_item_id"),
            "_rating": f.col("_rating").cast("double"),
            "_weight": f.col("_weight").cast("double"),
            "_time": f.col("_rated_at").cast("timestamp"),
        }
    )
    rows = rows.withColumn("_reason", acc.first_reason(_checks(settings, time_required)))
    rows = rows.withColumn("_state", _state())
    kept, refused = f.col("_state") == acc.KEPT, f.col("_state") == acc.REJECTED
    values = {c.RATED_AT: "_time", **{name: f"_{name}" for name in _VALUES if name != c.RATED_AT}}
    return rows.select(
        f.lit(source.name).alias(c.SOURCE),
        c.SOURCE_FILE,
        f.col("_state").alias(acc.STATE),
        f.when(refused, f.col("_reason")).alias(c.REASON),
        f.when(refused, record_json(sorted(record_columns))).alias(c.RECORD),
        *(f.when(kept | _ends(name), f.col(values[name])).alias(name) for name in _VALUES),
        *DIGESTS,
        *marks,
    )


def _ends(name: str) -> Column:
    """Whether a row that is not kept needs the value: a refused one's time decides whether it is judged at all."""
    if name != c.RATED_AT:
        return f.lit(False)
    judged = (f.col("_state") == acc.REJECTED) & f.col(CORRUPT).isNull()
    return judged & (f.col("_time") >= f.lit(_EARLIEST).cast("timestamp"))  # Parquet's writer refuses some earlier ones


def _up_to(mapped: DataFrame, end: Column) -> DataFrame:
    """The rows as the night that ends there sees them: what is dated later is another night's, kept or not."""
    later = mapped.withColumn(acc.STATE, f.when(f.col(c.RATED_AT) >= end, acc.AFTER_WINDOW).otherwise(f.col(acc.STATE)))
    kept, refused = f.col(acc.STATE) == acc.KEPT, f.col(acc.STATE) == acc.REJECTED
    only = {c.REASON: refused, c.RECORD: refused, **dict.fromkeys(_VALUES, kept)}
    return later.select(*(f.when(only[n], f.col(n)).alias(n) if n in only else f.col(n) for n in _COLUMNS))


def _id(name: str) -> Column:
    text = f.trim(f.col(name).cast("string"))
    return f.when(text != "", text)


def _checks(settings: RatingsSettings, time_required: bool) -> dict[str, Column]:
    item, rating, weight = f.col("_item_id"), f.col("_rating"), f.col("_weight")
    no_time = f.col("_time").isNull()
    unknown = item.isin(settings.unknown_items) if settings.unknown_items else f.lit(False)
    return {
        acc.UNREADABLE: f.col(CORRUPT).isNotNull(),
        "missing user id": f.col("_user_id").isNull(),
        "unknown item": unknown | (item.isNull() & f.col(JOIN_MISSED)),
        "missing item id": item.isNull(),
        "unparsable time": no_time if time_required else no_time & f.col("_rated_at").isNotNull(),
        "time out of range": f.col("_time") < f.lit(_EARLIEST).cast("timestamp"),
        "rating not a number": rating.isNull() | f.isnan(rating),
        "rating out of range": ~rating.between(settings.minimum, settings.maximum),
        "bad weight": weight.isNull() | f.isnan(weight) | ~weight.between(0.0, 3.4e38),
    }


def _state() -> Column:
    """A row that is none of this source's ratings is not judged."""
    return (
        f.when(f.col(CORRUPT).isNotNull(), acc.REJECTED)
        .when(~f.coalesce(f.col("_where").cast("boolean"), f.lit(False)), acc.FILTERED)
        .when(f.col("_reason").isNotNull(), acc.REJECTED)
        .otherwise(acc.KEPT)
    )
