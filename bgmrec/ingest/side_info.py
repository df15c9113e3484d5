"""Crawl dumps and side tables → `users` and `items`: of several crawls the newest wins field by field."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config.sources import EntityField, EntitySettings, EntitySource
from bgmrec.ingest import accounting as acc
from bgmrec.ingest.duplicates import DIGESTS, SOURCE_POSITION
from bgmrec.ingest.expressions import record_json, resolves, select_expressions
from bgmrec.ingest.fields import is_malformed, plausible_time, typed_value
from bgmrec.ingest.mapped import MappedFiles, map_sources
from bgmrec.ingest.source_mapping import SourceMapping
from bgmrec.ingest.sources import CORRUPT, raw_columns
from bgmrec.storage import columns as c

FETCHED_AT = "_fetched_at"
MALFORMED = "_malformed"  # names of the fields that held something unusable
UNKNOWN = "_unknown"  # names of the raw fields that no expression reads

FIELDS = "_fields"

_COLUMNS = [
    *(c.SOURCE, c.SOURCE_FILE, acc.STATE, c.REASON, c.RECORD, *DIGESTS, SOURCE_POSITION),
    *(FETCHED_AT, FIELDS, MALFORMED, UNKNOWN),
]

_NULL = "cast(null as string)"
_PRESENT = "_present"  # a struct or an aggregate needs a column where the settings name no field


def map_entities(
    spark: SparkSession,
    settings: EntitySettings,
    id_column: str,
    *,
    data: str,
    ds: date,
    kept: MappedFiles | None = None,
    write: Callable[[DataFrame], DataFrame] = lambda rows: rows,
) -> DataFrame:
    """Every record of every source: id, typed fields, time of the crawl, state, and what was wrong with it.

    Args:
        spark: the session.
        settings: `[users]` or `[items]`.
        id_column: `user_id` or `item_id`.
        data: what `{data}` in a path stands for.
        ds: the logical date.
        kept: records that earlier nights mapped; none: all files are read.
        write: writes the records that are not kept there and returns them as read back.

    Raises:
        InputError: files or days are missing.
        SettingsError: an expression is not valid over its source's columns.
    """
    mappings = [_mapping(spark, source, settings, id_column, data, ds) for source in settings.sources]
    return map_sources(mappings, [*_COLUMNS, id_column], kept, write)


def _mapping(
    spark: SparkSession, source: EntitySource, settings: EntitySettings, id_column: str, data: str, ds: date
) -> SourceMapping:
    where = f"{'users' if id_column == c.USER_ID else 'items'}.sources.{source.name}"

    def mapped(joined: DataFrame, record: list[str], marks: list[str]) -> DataFrame:
        return _map_source(joined, record, marks, source, settings, id_column, where)

    fields = [(field.expression, source.fields.get(field.name)) for field in settings.fields]
    rules = [id_column, settings.model_dump(mode="json", include={"fields"})]
    return SourceMapping(
        spark,
        source,
        where,
        data,
        ds,
        mapped,
        [source.where, source.id, source.fetched_at, *(own or common for common, own in fields)],
        rules,
        ("fields", "side_info"),
        # a csv source that lacks a column has null for a common expression over it: as long as no file has it
        alone=source.format == "jsonl" or not any(common and not own for common, own in fields),
    )


def _map_source(
    joined: DataFrame,
    records: list[str],
    marks: list[str],
    source: EntitySource,
    settings: EntitySettings,
    id_column: str,
    where: str,
) -> DataFrame:
    optional = source.format == "jsonl"
    own = {"_id": source.id, FETCHED_AT: source.fetched_at or _NULL, "_where": source.where or "true"}
    expressions = _field_expressions(joined, source, settings)
    rows = select_expressions(joined, own, ["*"], where=where, optional=optional)
    rows = select_expressions(rows, expressions, ["*"], where=f"{where}.fields", optional=optional)
    id_text = f.trim(f.col("_id").cast("string"))
    rows = rows.withColumns({"_id": f.when(id_text != "", id_text), "_time": plausible_time(f.col(FETCHED_AT))})
    values = {field.name: _typed(rows, field) for field in settings.fields}
    malformed = {name: is_malformed(_raw(name), rows.schema[f"__{name}"].dataType, v) for name, v in values.items()}
    malformed["fetched_at"] = f.col(FETCHED_AT).isNotNull() & f.col("_time").isNull()
    unknown = {
        name: f.col(f"`{name}`").isNotNull() for name in _unread(joined, source, [*own.values(), *expressions.values()])
    }
    refused, kept = f.col("_state") == acc.REJECTED, f.col("_state") == acc.KEPT
    checks = {
        acc.UNREADABLE: f.col(CORRUPT).isNotNull(),
        f"missing {id_column.replace('_', ' ')}": f.col("_id").isNull(),
    }
    reason = acc.first_reason(checks)
    return rows.withColumn("_state", _state(reason)).select(
        f.lit(source.name).alias(c.SOURCE),
        c.SOURCE_FILE,
        f.col("_state").alias(acc.STATE),
        f.when(refused, reason).alias(c.REASON),
        f.when(refused, record_json(records)).alias(c.RECORD),
        *DIGESTS,
        f.when(kept, f.col("_id")).alias(id_column),
        f.col("_time").alias(FETCHED_AT),
        f.when(kept, f.struct(f.lit(True).alias(_PRESENT), *(v.alias(n) for n, v in values.items()))).alias(FIELDS),
        _names_where(malformed, kept).alias(MALFORMED),
        _names_where(unknown, kept).alias(UNKNOWN),
        *marks,
    )


def _field_expressions(joined: DataFrame, source: EntitySource, settings: EntitySettings) -> dict[str, str]:
    """The source's own expressions as they stand; a field's common one only where the source has its columns."""
    expressions = {}
    for field in settings.fields:
        common = field.expression or f"`{field.name}`"
        usable = source.format == "jsonl" or resolves(joined, common)
        expressions[f"__{field.name}"] = source.fields.get(field.name, common if usable else _NULL)
    return expressions


def _raw(name: str) -> Column:
    return f.col(f"__{name}")


def _typed(rows: DataFrame, field: EntityField) -> Column:
    return typed_value(_raw(field.name), rows.schema[f"__{field.name}"].dataType, field)


def _unread(joined: DataFrame, source: EntitySource, expressions: list[str]) -> list[str]:
    """Raw fields whose name stands in no expression and no key of a join."""
    texts = [*expressions, *(key for table in source.joins for key in table.on)]
    words = {word.lower() for text in texts for word in re.findall(r"\w+", text)}
    return [name for name in raw_columns(joined) if name.lower() not in words and name not in DIGESTS]


def _state(reason: Column) -> Column:
    wanted = f.coalesce(f.col("_where").cast("boolean"), f.lit(False))
    return (
        f.when(f.col(CORRUPT).isNotNull(), acc.REJECTED)
        .when(~wanted, acc.FILTERED)
        .when(reason.isNotNull(), acc.REJECTED)
        .otherwise(acc.KEPT)
    )


def _names_where(flags: dict[str, Column], kept: Column) -> Column:
    names = f.array(*(f.when(flag, f.lit(name)) for name, flag in flags.items())).cast("array<string>")
    return f.when(kept, f.array_compact(names))


def merge_entities(mapped: DataFrame, settings: EntitySettings, id_column: str) -> DataFrame:
    """One row per entity: of each field the value of the newest crawl that has one.

    Crawls without a time are older than any with one; at equal times the later source in the settings wins, then the
    greater value, so that the order of the files decides nothing.
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
    """Records by problem (malformed field, unknown field), source and field name: a handful of rows."""
    kinds = {"malformed_fields": MALFORMED, "unknown_fields": UNKNOWN}
    parts = [
        mapped.select(f.lit(kind).alias("problem"), c.SOURCE, f.explode(column).alias("field"))
        for kind, column in kinds.items()
    ]
    return parts[0].unionByName(parts[1]).groupBy("problem", c.SOURCE, "field").agg(f.count(f.lit(1)).alias(acc.ROWS))


def crawl_ages(mapped: DataFrame, id_column: str, now: datetime) -> dict[str, float]:
    """Days from the newest crawl of each entity to `now`: newest, median, oldest; nothing without times. An action."""
    newest = mapped.where(f.col(acc.STATE) == acc.KEPT).groupBy(id_column).agg(f.max(FETCHED_AT).alias("at"))
    moment = f.lit(now.isoformat(sep=" ")).cast("timestamp").cast("double")
    age = (moment - f.col("at").cast("double")) / 86_400
    ages = newest.agg(f.min(age), f.percentile_approx(age, 0.5), f.max(age)).collect()[0]
    return {} if ages[0] is None else dict(zip(("newest", "median", "oldest"), ages, strict=True))
