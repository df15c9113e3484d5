"""Crawl dumps and side tables → `users` and `items`: each field has the value of the newest crawl with one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config.sources import EntityField, EntitySettings, EntitySource
from bgmrec.ingest import accounting as acc
from bgmrec.ingest import fields as field_types
from bgmrec.ingest.column_names import internal, raw_columns, words_of
from bgmrec.ingest.duplicates import DIGESTS, SOURCE_POSITION
from bgmrec.ingest.expressions import resolves, select_expressions
from bgmrec.ingest.fields import is_malformed, plausible_time, typed_value
from bgmrec.ingest.ids import id_checks, id_expression, id_text, refused_in_json
from bgmrec.ingest.raw_record import FAULT, FILE
from bgmrec.ingest.row_cache import RowCache, map_sources
from bgmrec.ingest.source_mapping import SourceMapping
from bgmrec.ingest.sources import Expressions
from bgmrec.ingest.unicode_forms import Form
from bgmrec.storage import columns as c
from bgmrec.storage.times import utc_timestamp

FETCHED_AT = "_fetched_at"
MALFORMED = "_malformed"  # names of the fields whose value does not fit the type
UNKNOWN = "_unknown"  # names of the raw fields that no expression reads

FIELDS = "_fields"

_COLUMNS = [
    *(c.SOURCE, c.SOURCE_FILE, acc.STATE, c.REASON, c.RECORD, *DIGESTS, SOURCE_POSITION),
    *(FETCHED_AT, FIELDS, MALFORMED, UNKNOWN),
]

_NULL = "cast(null as string)"
_ID, _ID_TEXT, _FETCHED, _TIME, _WHERE = map(internal, ("id", "id_text", "fetched_at", "time", "where"))
_PRESENT = "_present"  # a struct or an aggregate needs a column where the settings name no field


def map_entities(
    spark: SparkSession,
    settings: EntitySettings,
    id_column: str,
    *,
    data: str,
    ds: date,
    unicode_form: Form = "none",
    cache: RowCache | None = None,
    write: Callable[[DataFrame], DataFrame] = lambda rows: rows,
) -> DataFrame:
    """Every record of every source: id, typed fields, time of the crawl, state, and its faults.

    Args:
        spark: the session.
        settings: `[users]` or `[items]`.
        id_column: `user_id` or `item_id`.
        data: what `{data}` in a path stands for.
        ds: the logical date.
        unicode_form: `ids.unicode_form`.
        cache: the records of files that earlier runs mapped; None: all files are read.
        write: writes the records that are not in the cache, and returns the written table.

    Raises:
        InputError: files or days are missing.
        SettingsError: an expression is not valid over its source's columns.
    """
    mappings = [_mapping(spark, source, settings, id_column, data, ds, unicode_form) for source in settings.sources]
    return map_sources(mappings, [*_COLUMNS, id_column], cache, write)


def _mapping(
    spark: SparkSession,
    source: EntitySource,
    settings: EntitySettings,
    id_column: str,
    data: str,
    ds: date,
    unicode_form: Form,
) -> SourceMapping:
    where = f"{'users' if id_column == c.USER_ID else 'items'}.sources.{source.name}"

    def map_joined(joined: DataFrame, record: Column, hashes: list[str]) -> DataFrame:
        return _map_source(
            joined, record, hashes, source, settings, id_column, unicode_form, where, mapping.shows_columns
        )

    fields = [(field.expression, source.fields.get(field.name)) for field in settings.fields]
    textual = {field.name for field in settings.fields if field.type in ("string", "text", "list")}
    texts = {
        field.name: source.fields.get(field.name) or field.expression or f"`{field.name}`" for field in settings.fields
    }
    rules = [id_column, settings.model_dump(mode="json", include={"fields"})]
    mapping = SourceMapping(
        spark,
        source,
        where,
        data,
        ds,
        map_joined,
        Expressions(
            [source.id, *(text for name, text in texts.items() if name in textual)],
            [text for text in (source.where, source.fetched_at) if text]
            + [text for name, text in texts.items() if name not in textual],
        ),
        rules,
        (field_types, sys.modules[__name__]),
        # in a csv source an expression of all sources is null only as long as no file has its columns
        independent=source.format == "jsonl" or not any(common and not special for common, special in fields),
        unicode_form=unicode_form,
    )
    return mapping


def _map_source(
    joined: DataFrame,
    record: Column,
    hashes: list[str],
    source: EntitySource,
    settings: EntitySettings,
    id_column: str,
    unicode_form: Form,
    where: str,
    show_columns: bool,
) -> DataFrame:
    checks = {"optional": source.format == "jsonl", "show_columns": show_columns}
    spark = joined.sparkSession
    expressions = {
        _ID: id_expression(spark, source.id),
        _FETCHED: source.fetched_at or _NULL,
        _WHERE: source.where or "true",
    }
    fields = _field_expressions(joined, source, settings)
    rows = select_expressions(joined, expressions, ["*"], where=where, **checks)
    rows = select_expressions(rows, fields, ["*"], where=f"{where}.fields", **checks)
    raw_id, id_kind = f.col(_ID), rows.schema[_ID].dataType
    no_id = id_checks(id_column.replace("_", " "), raw_id, id_kind, refused_in_json(spark, source.id, joined.columns))
    rows = rows.withColumns({_ID_TEXT: id_text(raw_id, id_kind, unicode_form), _TIME: plausible_time(f.col(_FETCHED))})
    values = {field.name: _typed(rows, field) for field in settings.fields}
    malformed = {n: is_malformed(f.col(_raw(n)), rows.schema[_raw(n)].dataType, v) for n, v in values.items()}
    malformed["fetched_at"] = f.col(_FETCHED).isNotNull() & f.col(_TIME).isNull()
    unread = _unread(joined, source, [*expressions.values(), *fields.values()])
    unknown = {name: f.col(f"`{name}`").isNotNull() for name in unread}
    reasons = {**no_id, f"missing {id_column.replace('_', ' ')}": f.col(_ID_TEXT).isNull()}
    reason = f.coalesce(FAULT, acc.first_reason(reasons))
    state = f.col(internal("state"))
    rejected, kept = state == acc.REJECTED, state == acc.KEPT
    return rows.withColumn(internal("state"), _state(reason)).select(
        f.lit(source.name).alias(c.SOURCE),
        f.col(FILE).alias(c.SOURCE_FILE),
        state.alias(acc.STATE),
        f.when(rejected, reason).alias(c.REASON),
        f.when(rejected, record).alias(c.RECORD),
        *DIGESTS,
        f.when(kept, f.col(_ID_TEXT)).alias(id_column),
        f.col(_TIME).alias(FETCHED_AT),
        f.when(kept, f.struct(f.lit(True).alias(_PRESENT), *(v.alias(n) for n, v in values.items()))).alias(FIELDS),
        _names_where(malformed, kept).alias(MALFORMED),
        _names_where(unknown, kept).alias(UNKNOWN),
        *hashes,
    )


def _field_expressions(joined: DataFrame, source: EntitySource, settings: EntitySettings) -> dict[str, str]:
    """The source's expressions; else the field's, where this source has its columns; else null."""
    expressions = {}
    for field in settings.fields:
        common = field.expression or f"`{field.name}`"
        usable = source.format == "jsonl" or resolves(joined, common)
        expressions[_raw(field.name)] = source.fields.get(field.name, common if usable else _NULL)
    return expressions


def _raw(name: str) -> str:
    """The column with the raw value of a field."""
    return internal(f"field_{name}")


def _typed(rows: DataFrame, field: EntityField) -> Column:
    return typed_value(f.col(_raw(field.name)), rows.schema[_raw(field.name)].dataType, field)


def _unread(joined: DataFrame, source: EntitySource, expressions: list[str]) -> list[str]:
    """Raw fields whose name stands in no expression and no key of a join."""
    words = words_of([*expressions, *(key for table in source.joins for key in table.on)])
    return [name for name in raw_columns(joined) if name.lower() not in words]


def _state(reason: Column) -> Column:
    included = f.coalesce(f.col(_WHERE).cast("boolean"), f.lit(False))
    return (
        f.when(f.col(FAULT).isNotNull(), acc.REJECTED)
        .when(~included, acc.FILTERED)
        .when(reason.isNotNull(), acc.REJECTED)
        .otherwise(acc.KEPT)
    )


def _names_where(flags: dict[str, Column], kept: Column) -> Column:
    names = f.array(*(f.when(flag, f.lit(name)) for name, flag in flags.items())).cast("array<string>")
    return f.when(kept, f.array_compact(names))


def merge_entities(mapped: DataFrame, settings: EntitySettings, id_column: str) -> DataFrame:
    """One row per entity: of each field the value of the newest crawl that has one.

    Crawls without a time count as older than all others; at equal times the later source in the settings wins, then
    the greater value. The order of the files has no influence.

    Args:
        mapped: from `map_entities`.
        settings: `[users]` or `[items]`.
        id_column: `user_id` or `item_id`.
    """
    kept = mapped.where(f.col(acc.STATE) == acc.KEPT).repartition(id_column)
    newest = [_newest(field.name) for field in settings.fields]
    merged = kept.groupBy(id_column).agg(f.first(f.lit(True)).alias(_PRESENT), *newest)
    return merged.select(id_column, *(f.col(field.name)["value"].alias(field.name) for field in settings.fields))


def _newest(name: str) -> Column:
    value = f.col(FIELDS)[name]
    crawl = f.struct(f.col(FETCHED_AT), f.col(SOURCE_POSITION), value.alias("value"))
    return f.max(f.when(value.isNotNull(), crawl)).alias(name)


def count_problems(mapped: DataFrame) -> DataFrame:
    """Number of records by problem (malformed field, unknown field), source and field name: few rows.

    Args:
        mapped: from `map_entities`.
    """
    kinds = {"malformed_fields": MALFORMED, "unknown_fields": UNKNOWN}
    parts = [
        mapped.select(f.lit(kind).alias("problem"), c.SOURCE, f.explode(column).alias("field"))
        for kind, column in kinds.items()
    ]
    return parts[0].unionByName(parts[1]).groupBy("problem", c.SOURCE, "field").agg(f.count(f.lit(1)).alias(acc.ROWS))


def crawl_ages(mapped: DataFrame, id_column: str, now: datetime) -> dict[str, float]:
    """Days from the newest crawl of each entity to `now`, by an action.

    Args:
        mapped: from `map_entities`.
        id_column: `user_id` or `item_id`.
        now: in UTC.

    Returns:
        newest, median, oldest; empty where no crawl has a time
    """
    newest = mapped.where(f.col(acc.STATE) == acc.KEPT).groupBy(id_column).agg(f.max(FETCHED_AT).alias("at"))
    age = (utc_timestamp(now).cast("double") - f.col("at").cast("double")) / 86_400
    ages = newest.agg(f.min(age), f.percentile_approx(age, 0.5), f.max(age)).collect()[0]
    return {} if ages[0] is None else dict(zip(("newest", "median", "oldest"), ages, strict=True))
