"""Rating logs → rows of (user, item, rating, weight, time), with every raw row accounted for.

Accounting: rows in = kept + rejected + filtered + after window + duplicates.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec import columns as c
from bgmrec.config.sources import RatingSource, RatingsSettings
from bgmrec.ingest import accounting as acc
from bgmrec.ingest.duplicates import DIGESTS, SOURCE_POSITION, with_digests
from bgmrec.ingest.expressions import JOIN_MISSED, join_tables, record_json, select_expressions, timestamp
from bgmrec.ingest.parsed import ParsedFiles
from bgmrec.ingest.sources import CORRUPT, read_files

_VALUES = [c.USER_ID, c.ITEM_ID, c.RATING, c.WEIGHT, c.RATED_AT]
# nothing was logged before; and Parquet's writer stops the whole night at a time before 1900
_EARLIEST = "1970-01-01 00:00:00"


def map_ratings(
    spark: SparkSession, settings: RatingsSettings, *, data: str, ds: date, parsed: ParsedFiles | None = None
) -> DataFrame:
    """Every raw row of every source with its state and digest: values where kept, reason and record where refused.

    Needs no shuffle but those of the sources' joins; exact duplicates are still among the rows.

    Raises:
        InputError: files or days are missing.
        SettingsError: an expression is not valid over its source's columns.
    """
    end = timestamp(datetime.combine(ds + timedelta(days=1), datetime.min.time()))
    mapped = []
    for position, source in enumerate(settings.sources):
        where = f"ratings.sources.{source.name}"
        raw = read_files(spark, source, data=data, ds=ds, parsed=parsed)
        record_columns = [name for name in raw.columns if name != c.SOURCE_FILE]
        digested = with_digests(raw, record_columns, settings.drop_exact_duplicates)
        joined = join_tables(digested, source.joins, where=where, data=data, ds=ds, parsed=parsed)
        rows = map_source(joined, record_columns, source, settings, end)
        mapped.append(rows.withColumn(SOURCE_POSITION, f.lit(position)))
    return reduce(DataFrame.unionByName, mapped)


def map_source(
    joined: DataFrame, record_columns: list[str], source: RatingSource, settings: RatingsSettings, end: Column
) -> DataFrame:
    """Maps one source's columns by its expressions and gives each row its state."""
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
    rows = rows.withColumn("_state", _state(end))
    kept, refused = f.col("_state") == acc.KEPT, f.col("_state") == acc.REJECTED
    values = {c.RATED_AT: "_time", **{name: f"_{name}" for name in _VALUES if name != c.RATED_AT}}
    return rows.select(
        f.lit(source.name).alias(c.SOURCE),
        c.SOURCE_FILE,
        f.col("_state").alias(acc.STATE),
        f.when(refused, f.col("_reason")).alias(c.REASON),
        f.when(refused, record_json(record_columns)).alias(c.RECORD),
        *(f.when(kept, f.col(values[name])).alias(name) for name in _VALUES),
        *DIGESTS,
    )


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


def _state(end: Column) -> Column:
    """A row of another night, or none of this source's ratings, is not judged."""
    return (
        f.when(f.col(CORRUPT).isNotNull(), acc.REJECTED)
        .when(~f.coalesce(f.col("_where").cast("boolean"), f.lit(False)), acc.FILTERED)
        .when(f.col("_time") >= end, acc.AFTER_WINDOW)
        .when(f.col("_reason").isNotNull(), acc.REJECTED)
        .otherwise(acc.KEPT)
    )
