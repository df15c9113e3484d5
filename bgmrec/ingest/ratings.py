"""Rating logs → rows of (user, item, rating, weight, time), with every raw row accounted for.

Accounting: rows in = kept + rejected + filtered + after window + duplicates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config.sources import RatingSource, RatingsSettings
from bgmrec.ingest import accounting as acc
from bgmrec.ingest.duplicates import DIGESTS, SOURCE_POSITION
from bgmrec.ingest.expressions import JOIN_MISSED, select_expressions
from bgmrec.ingest.row_cache import RowCache, map_sources
from bgmrec.ingest.source_mapping import SourceMapping
from bgmrec.ingest.sources import CORRUPT
from bgmrec.storage import columns as c
from bgmrec.storage.times import utc_timestamp

_VALUES = [c.USER_ID, c.ITEM_ID, c.RATING, c.WEIGHT, c.RATED_AT]
# no log is older, and Parquet's writer fails on times before 1900
_EARLIEST = "1970-01-01 00:00:00"

_COLUMNS = [c.SOURCE, c.SOURCE_FILE, acc.STATE, c.REASON, c.RECORD, *_VALUES, *DIGESTS, SOURCE_POSITION]


def map_ratings(
    spark: SparkSession,
    settings: RatingsSettings,
    *,
    data: str,
    ds: date,
    cache: RowCache | None = None,
    write: Callable[[DataFrame], DataFrame] = lambda rows: rows,
) -> DataFrame:
    """Every raw row of every source with its state and digest: values where kept, reason and record where rejected.

    Shuffles for the sources' joins alone; exact duplicates are still among the rows.

    Args:
        spark: the session.
        settings: `[ratings]`.
        data: what `{data}` in a path stands for.
        ds: the logical date.
        cache: the rows of files that earlier runs mapped; None: all files are read.
        write: writes the rows that are not in the cache, and returns the written table.

    Raises:
        InputError: files or days are missing.
        SettingsError: an expression is not valid over its source's columns.
    """
    mappings = [_mapping(spark, source, settings, data, ds) for source in settings.sources]
    end = utc_timestamp(datetime.combine(ds + timedelta(days=1), datetime.min.time()))
    return _up_to(map_sources(mappings, _COLUMNS, cache, write), end)


def _mapping(
    spark: SparkSession, source: RatingSource, settings: RatingsSettings, data: str, ds: date
) -> SourceMapping:
    def map_joined(joined: DataFrame, record: Column, hashes: list[str]) -> DataFrame:
        return _map_source(joined, record, hashes, source, settings, mapping.shows_columns)

    mapping = SourceMapping(
        spark,
        source,
        f"ratings.sources.{source.name}",
        data,
        ds,
        map_joined,
        [source.where, *(getattr(source, name) for name in _VALUES)],
        settings.model_dump(mode="json", include={"minimum", "maximum", "unknown_items", "time_required"}),
        (sys.modules[__name__],),
        settings.drop_exact_duplicates,
    )
    return mapping


def _map_source(
    joined: DataFrame,
    record: Column,
    hashes: list[str],
    source: RatingSource,
    settings: RatingsSettings,
    show_columns: bool,
) -> DataFrame:
    """Maps one source's columns by its expressions; the state of each row ignores the end of the logical date.

    `rated_at` is set where the end may change the state, the other values where the row would be kept.
    """
    expressions = {f"_{name}": getattr(source, name) or "cast(null as timestamp)" for name in _VALUES}
    rows = select_expressions(
        joined,
        expressions | {"_where": source.where or "true"},
        ["*"],
        where=f"ratings.sources.{source.name}",
        optional=source.format == "jsonl",
        show_columns=show_columns,
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
    kept, rejected = f.col("_state") == acc.KEPT, f.col("_state") == acc.REJECTED
    values = {c.RATED_AT: "_time", **{name: f"_{name}" for name in _VALUES if name != c.RATED_AT}}
    return rows.select(
        f.lit(source.name).alias(c.SOURCE),
        c.SOURCE_FILE,
        f.col("_state").alias(acc.STATE),
        f.when(rejected, f.col("_reason")).alias(c.REASON),
        f.when(rejected, record).alias(c.RECORD),
        *(f.when(kept | _ends(name), f.col(values[name])).alias(name) for name in _VALUES),
        *DIGESTS,
        *hashes,
    )


def _ends(name: str) -> Column:
    """Whether a row that is not kept needs the value: a reject after the logical date is not counted as one."""
    if name != c.RATED_AT:
        return f.lit(False)
    readable = (f.col("_state") == acc.REJECTED) & f.col(CORRUPT).isNull()
    return readable & (f.col("_time") >= f.lit(_EARLIEST).cast("timestamp"))  # Parquet's writer fails on earlier ones


def _up_to(mapped: DataFrame, end: Column) -> DataFrame:
    """The rows with the state `after_window` for those after the end of the logical date, kept or rejected."""
    later = mapped.withColumn(acc.STATE, f.when(f.col(c.RATED_AT) >= end, acc.AFTER_WINDOW).otherwise(f.col(acc.STATE)))
    kept, rejected = f.col(acc.STATE) == acc.KEPT, f.col(acc.STATE) == acc.REJECTED
    only = {c.REASON: rejected, c.RECORD: rejected, **dict.fromkeys(_VALUES, kept)}
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
    """Rows that the source's `where` excludes are not checked, except that unreadable ones are rejected."""
    return (
        f.when(f.col(CORRUPT).isNotNull(), acc.REJECTED)
        .when(~f.coalesce(f.col("_where").cast("boolean"), f.lit(False)), acc.FILTERED)
        .when(f.col("_reason").isNotNull(), acc.REJECTED)
        .otherwise(acc.KEPT)
    )
