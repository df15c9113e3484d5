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
from bgmrec.ingest.column_names import internal
from bgmrec.ingest.duplicates import DIGESTS, SOURCE_POSITION
from bgmrec.ingest.expressions import JOIN_MISSED, select_expressions
from bgmrec.ingest.ids import id_checks, id_expression, id_text, refused_in_json
from bgmrec.ingest.numbers import number
from bgmrec.ingest.raw_record import FAULT, FILE
from bgmrec.ingest.row_cache import RowCache, map_sources
from bgmrec.ingest.source_mapping import SourceMapping
from bgmrec.ingest.sources import Expressions
from bgmrec.ingest.unicode_forms import Form, in_form
from bgmrec.storage import columns as c
from bgmrec.storage.times import utc_timestamp

_VALUES = [c.USER_ID, c.ITEM_ID, c.RATING, c.WEIGHT, c.RATED_AT]
_RULES = {"minimum", "maximum", "unknown_items", "time_required"}
_IDS = {c.USER_ID: "user id", c.ITEM_ID: "item id"}
# no log is older, and Parquet's writer fails on times before 1900
_EARLIEST = "1970-01-01 00:00:00"

_COLUMNS = [c.SOURCE, c.SOURCE_FILE, acc.STATE, c.REASON, c.RECORD, *_VALUES, *DIGESTS, SOURCE_POSITION]


def map_ratings(
    spark: SparkSession,
    settings: RatingsSettings,
    *,
    data: str,
    ds: date,
    unicode_form: Form = "none",
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
        unicode_form: `ids.unicode_form`.
        cache: the rows of files that earlier runs mapped; None: all files are read.
        write: writes the rows that are not in the cache, and returns the written table.

    Raises:
        InputError: files or days are missing.
        SettingsError: an expression is not valid over its source's columns.
    """
    mappings = [_mapping(spark, source, settings, data, ds, unicode_form) for source in settings.sources]
    end = utc_timestamp(datetime.combine(ds + timedelta(days=1), datetime.min.time()))
    return _up_to(map_sources(mappings, _COLUMNS, cache, write), end)


def _mapping(
    spark: SparkSession, source: RatingSource, settings: RatingsSettings, data: str, ds: date, unicode_form: Form
) -> SourceMapping:
    def map_joined(joined: DataFrame, record: Column, hashes: list[str]) -> DataFrame:
        return _map_source(joined, record, hashes, source, settings, unicode_form, mapping.shows_columns)

    mapping = SourceMapping(
        spark,
        source,
        f"ratings.sources.{source.name}",
        data,
        ds,
        map_joined,
        Expressions(
            [source.user_id, source.item_id],
            [text for text in (source.where, source.rating, source.weight, source.rated_at) if text],
        ),
        settings.model_dump(mode="json", include=_RULES),
        (sys.modules[__name__],),
        settings.drop_exact_duplicates,
        unicode_form=unicode_form,
    )
    return mapping


def _map_source(
    joined: DataFrame,
    record: Column,
    hashes: list[str],
    source: RatingSource,
    settings: RatingsSettings,
    unicode_form: Form,
    show_columns: bool,
) -> DataFrame:
    """Maps one source's columns by its expressions; the state of each row ignores the end of the logical date.

    `rated_at` is set where the end may change the state, the other values where the row would be kept.
    """
    spark = joined.sparkSession
    expressions = {name: getattr(source, name) or "cast(null as timestamp)" for name in _VALUES}
    expressions |= {name: id_expression(spark, expressions[name]) for name in _IDS}
    rows = select_expressions(
        joined,
        {internal(name): text for name, text in {**expressions, "where": source.where or "true"}.items()},
        ["*"],
        where=f"ratings.sources.{source.name}",
        optional=source.format == "jsonl",
        show_columns=show_columns,
    )
    raw = {name: f.col(internal(name)) for name in _VALUES}
    kinds = {name: rows.schema[internal(name)].dataType for name in _VALUES}
    no_ids: dict[str, Column] = {}
    for name, shown in _IDS.items():
        refused = refused_in_json(spark, expressions[name], joined.columns)
        no_ids |= id_checks(shown, raw[name], kinds[name], refused)
    checks = rows.withColumns(
        {
            **{_checked(name): id_text(raw[name], kinds[name], unicode_form) for name in _IDS},
            **{_checked(name): number(raw[name], kinds[name]) for name in (c.RATING, c.WEIGHT)},
            _checked(c.RATED_AT): raw[c.RATED_AT].cast("timestamp"),
        }
    )
    time_required = settings.time_required and source.rated_at is not None
    reason = f.coalesce(FAULT, acc.first_reason({**no_ids, **_checks(settings, time_required, unicode_form)}))
    stated = checks.withColumn(internal("reason"), reason).withColumn(internal("state"), _state())
    state = f.col(internal("state"))
    kept, rejected = state == acc.KEPT, state == acc.REJECTED
    return stated.select(
        f.lit(source.name).alias(c.SOURCE),
        f.col(FILE).alias(c.SOURCE_FILE),
        state.alias(acc.STATE),
        f.when(rejected, f.col(internal("reason"))).alias(c.REASON),
        f.when(rejected, record).alias(c.RECORD),
        *(f.when(kept | _ends(name, state), f.col(_checked(name))).alias(name) for name in _VALUES),
        *DIGESTS,
        *hashes,
    )


def _checked(name: str) -> str:
    return internal(f"checked_{name}")


def _ends(name: str, state: Column) -> Column:
    """Whether a row that is not kept needs the value: a reject after the logical date is not counted as one."""
    if name != c.RATED_AT:
        return f.lit(False)
    # Parquet's writer fails on earlier times
    readable = (state == acc.REJECTED) & f.col(FAULT).isNull()
    return readable & (f.col(_checked(c.RATED_AT)) >= f.lit(_EARLIEST).cast("timestamp"))


def _up_to(mapped: DataFrame, end: Column) -> DataFrame:
    """The rows with the state `after_window` for those after the end of the logical date, kept or rejected."""
    # values are null already where a row is not kept, reason and record where it is not rejected: no text is compared
    later = f.coalesce(f.col(c.RATED_AT) >= end, f.lit(False))
    columns = {name: f.when(~later, f.col(name)) for name in (c.REASON, c.RECORD, *_VALUES)}
    columns[acc.STATE] = f.when(later, acc.AFTER_WINDOW).otherwise(f.col(acc.STATE))
    columns[c.RATED_AT] = f.when(later | (f.col(acc.STATE) == acc.KEPT), f.col(c.RATED_AT))
    return mapped.select(*(columns[name].alias(name) if name in columns else f.col(name) for name in _COLUMNS))


def _checks(settings: RatingsSettings, time_required: bool, unicode_form: Form) -> dict[str, Column]:
    user, item, rating, weight, time = (f.col(_checked(name)) for name in _VALUES)
    unknown_items = in_form(settings.unknown_items, unicode_form)
    unknown = item.isin(unknown_items) if unknown_items else f.lit(False)
    return {
        "missing user id": user.isNull(),
        "unknown item": unknown | (item.isNull() & f.col(JOIN_MISSED)),
        "missing item id": item.isNull(),
        "unparsable time": time.isNull() if time_required else time.isNull() & f.col(internal(c.RATED_AT)).isNotNull(),
        "time out of range": time < f.lit(_EARLIEST).cast("timestamp"),
        "rating not a number": rating.isNull() | f.isnan(rating),
        "rating out of range": ~rating.between(settings.minimum, settings.maximum),
        "bad weight": weight.isNull() | f.isnan(weight) | ~weight.between(0.0, 3.4e38),
    }


def _state() -> Column:
    """Rows that the source's `where` excludes are not checked, except that unreadable ones are rejected."""
    return (
        f.when(f.col(FAULT).isNotNull(), acc.REJECTED)
        .when(~f.coalesce(f.col(internal("where")).cast("boolean"), f.lit(False)), acc.FILTERED)
        .when(f.col(internal("reason")).isNotNull(), acc.REJECTED)
        .otherwise(acc.KEPT)
    )
