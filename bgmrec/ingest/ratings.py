"""Rating logs → rows of (user, item, rating, weight, time), with every raw row accounted for.

Accounting: rows in = kept + rejected + filtered + after window + duplicates.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config.sources import RatingSource, RatingsSettings
from bgmrec.ingest import accounting as acc
from bgmrec.ingest.duplicates import DIGESTS, SOURCE_POSITION
from bgmrec.ingest.expressions import JOIN_MISSED, record_json, select_expressions, timestamp
from bgmrec.ingest.mapped import MappedFiles, map_sources
from bgmrec.ingest.source_mapping import SourceMapping
from bgmrec.ingest.sources import CORRUPT
from bgmrec.storage import columns as c

_VALUES = [c.USER_ID, c.ITEM_ID, c.RATING, c.WEIGHT, c.RATED_AT]
# nothing was logged before; and Parquet's writer stops the whole night at a time before 1900
_EARLIEST = "1970-01-01 00:00:00"

_COLUMNS = [c.SOURCE, c.SOURCE_FILE, acc.STATE, c.REASON, c.RECORD, *_VALUES, *DIGESTS, SOURCE_POSITION]


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
    mappings = [_mapping(spark, source, settings, data, ds) for source in settings.sources]
    end = timestamp(datetime.combine(ds + timedelta(days=1), datetime.min.time()))
    return _up_to(map_sources(mappings, _COLUMNS, kept, write), end)


def _mapping(
    spark: SparkSession, source: RatingSource, settings: RatingsSettings, data: str, ds: date
) -> SourceMapping:
    def mapped(joined: DataFrame, record: list[str], marks: list[str]) -> DataFrame:
        return map_source(joined, record, marks, source, settings)

    return SourceMapping(
        spark,
        source,
        f"ratings.sources.{source.name}",
        data,
        ds,
        mapped,
        [source.where, *(getattr(source, name) for name in _VALUES)],
        settings.model_dump(mode="json", include={"minimum", "maximum", "unknown_items", "time_required"}),
        ("ratings",),
        settings.drop_exact_duplicates,
    )


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
        f.when(refused, record_json(record_columns)).alias(c.RECORD),
        *(f.when(kept | _ends(name), f.col(values[name])).alias(name) for name in _VALUES),
        *DIGESTS,
        *marks,
    )


def _ends(name: str) -> Column:
    """Whether a row that is not kept needs the value: a refused one's time decides whether it is judged at all."""
    if name != c.RATED_AT:
        return f.lit(False)
    evaluated = (f.col("_state") == acc.REJECTED) & f.col(CORRUPT).isNull()
    return evaluated & (
        f.col("_time") >= f.lit(_EARLIEST).cast("timestamp")
    )  # Parquet's writer refuses some earlier ones


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
