"""Parquet → raw columns with their types. Files whose column types differ are read apart and their columns widened.

Spark reads files of one schema at once. Where it cannot (types that differ, nanoseconds, types that it lacks), the
footers say which files and columns are meant, and files of one schema are read together.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.sources import Files
from bgmrec.errors import InputError
from bgmrec.ingest.column_names import quoted, unambiguous
from bgmrec.ingest.ids import id_fault, id_text
from bgmrec.ingest.input_files import InputFile, by_layout, file_uri, read_group
from bgmrec.ingest.raw_record import CORRUPT, FAULT, FILE, no_rows, not_text
from bgmrec.runtime.logs import logger
from bgmrec.runtime.session import NANOS_AS_LONG

_INTEGERS = (t.ByteType, t.ShortType, t.IntegerType, t.LongType)
_FLOATS = (t.FloatType, t.DoubleType)
_TIMES = (t.DateType, t.TimestampType, t.TimestampNTZType)


def read_parquet(
    spark: SparkSession, files: Files, found: Sequence[InputFile], identifiers: Collection[str], read: Collection[str]
) -> list[DataFrame]:
    """The raw rows of Parquet files.

    Args:
        spark: the session.
        files: options.
        found: the files.
        identifiers: lower-case names of the columns that ids are made of: where their types differ they become text.
        read: lower-case names that the source's expressions hold; a column of a type that Spark lacks is left out
            unless it is among them.

    Raises:
        InputError: files cannot be read together, or a column has a type without a meaning here.
    """
    if not found:
        return [no_rows(spark, [])]
    groups = by_layout(found)
    try:
        with _nanos_refused(spark):
            parts = [read_group(spark.read, "parquet", g, **{"mergeSchema": "true", **files.options}) for g in groups]
    except (PySparkException, Py4JJavaError):
        # the footers tell which file and column Spark cannot read
        named = _read_apart(spark, groups, read)
    else:
        named = [(group[0], _named(part, part.columns)) for group, part in zip(groups, parts, strict=True)]
    wanted = _common_types(named, identifiers)
    return [_widened(part, wanted) for _, part in named]


@contextmanager
def _nanos_refused(spark: SparkSession) -> Iterator[None]:
    """Inside, Spark refuses nanoseconds as it finds the schema; outside it reads them as whole numbers."""
    spark.conf.set(NANOS_AS_LONG, "false")
    try:
        yield
    finally:
        spark.conf.set(NANOS_AS_LONG, "true")


def _named(raw: DataFrame, names: list[str], values: dict[str, Column] | None = None) -> DataFrame:
    values = values or {}
    selected = [values.get(name, f.col(quoted(name))).alias(name) for name in names]
    absent = f.lit(None).cast("string")
    raw = raw.select(*selected, absent.alias(CORRUPT), absent.alias(FAULT), file_uri(raw).alias(FILE))
    return unambiguous(raw, names)


@dataclass(frozen=True)
class _Footer:
    """The columns of a file.

    Args:
        text: the schema in Parquet's words.
        schema: the same in Java.
        nanos: columns of nanoseconds.
        foreign: column → its type in Parquet's words, where Spark has none.
    """

    text: str
    schema: Any = field(compare=False)
    nanos: tuple[str, ...]
    foreign: tuple[tuple[str, str], ...]


def _read_apart(
    spark: SparkSession, groups: list[list[InputFile]], read: Collection[str]
) -> list[tuple[InputFile, DataFrame]]:
    """The rows of each schema, with one of its files."""
    parts = []
    for group in groups:
        by_footer: dict[_Footer, list[InputFile]] = {}
        for file in group:
            by_footer.setdefault(_footer(spark, file), []).append(file)
        for footer, same in by_footer.items():
            _check_foreign(footer, same[0], read)
            parts.append((same[0], _read_same(spark, footer, same)))
    return parts


def _footer(spark: SparkSession, file: InputFile) -> _Footer:
    jvm: Any = spark.sparkContext._jvm
    configuration = spark.sparkContext._jsc.hadoopConfiguration()
    parquet = jvm.org.apache.parquet.hadoop
    try:
        location = parquet.util.HadoopInputFile.fromPath(jvm.org.apache.hadoop.fs.Path(file.path), configuration)
        reader = parquet.ParquetFileReader.open(location)
    except Py4JJavaError as error:
        raise InputError(
            "raw files cannot be read",
            where=file.path,
            expected="a whole Parquet file",
            found=str(error.java_exception.toString())[:300],
            hint="move the damaged file away, or write it again",
        ) from error
    try:
        message = reader.getFooter().getFileMetaData().getSchema()
        kinds = {str(column.getName()): _kind(column) for column in message.getFields()}
    finally:
        reader.close()
    nanos = tuple(name for name, kind in kinds.items() if kind.startswith("TIMESTAMP(NANOS"))
    foreign = tuple((name, kind) for name, kind in kinds.items() if not _has_spark_type(kind))
    return _Footer(str(message), message, nanos, foreign)


def _kind(column: Any) -> str:
    """The column's type in Parquet's words; of a nested one all that is in it."""
    if not column.isPrimitive():
        return str(column.toString())
    annotation = column.getLogicalTypeAnnotation()
    return str(column.asPrimitiveType().getPrimitiveTypeName() if annotation is None else annotation.toString())


def _has_spark_type(kind: str) -> bool:
    """Whether Spark reads the type; nanoseconds it reads alone, not nested."""
    lacking = ("TIME(", "UUID", "INTERVAL", "FLOAT16", "FIXED_LEN_BYTE_ARRAY")
    if kind.startswith("TIMESTAMP("):
        return True
    return not any(name in kind for name in lacking) and "TIMESTAMP(NANOS" not in kind


def _check_foreign(footer: _Footer, file: InputFile, read: Collection[str]) -> None:
    for name, kind in footer.foreign:
        if name.lower() in read:
            raise InputError(
                f"a column has a type that Spark cannot read: {name}",
                where=file.path,
                expected="text, a number, a boolean, a date, a timestamp, or lists and structs of them",
                found=f"{name} of type {' '.join(kind.split())[:200]}",
                hint=f"write {name} as text or as a timestamp, or remove it from the source's expressions",
            )
        logger.warning("a column is left out: %s of type %s (where: %s)", name, " ".join(kind.split())[:80], file.path)


def _read_same(spark: SparkSession, footer: _Footer, same: list[InputFile]) -> DataFrame:
    """Files of one schema, without the columns that Spark lacks a type for, nanoseconds as timestamps."""
    jvm: Any = spark.sparkContext._jvm
    left_out = {name for name, _ in footer.foreign}
    builder = jvm.org.apache.parquet.schema.Types.buildMessage()
    for column in footer.schema.getFields():
        if column.getName() not in left_out:
            builder = builder.addField(column)
    converter = jvm.org.apache.spark.sql.execution.datasources.parquet.ParquetToSparkSchemaConverter(
        spark._jsparkSession.sessionState().conf()
    )
    schema = t.StructType.fromJson(json.loads(converter.convert(builder.named("rows")).json()))
    raw = read_group(spark.read.schema(schema), "parquet", same)
    times = {name: f.timestamp_micros(f.floor(f.col(quoted(name)) / 1000).cast("bigint")) for name in footer.nanos}
    return _named(raw, raw.columns, times)


def _common_types(parts: Sequence[tuple[InputFile, DataFrame]], identifiers: Collection[str]) -> dict[str, t.DataType]:
    """Name → the type that all files' columns of the name have a value in."""
    wanted: dict[str, t.DataType] = {}
    for file, part in parts:
        for column in part.schema:
            before = wanted.get(column.name)
            if before is None or before == column.dataType:
                wanted[column.name] = column.dataType
                continue
            common = t.StringType() if column.name.lower() in identifiers else _wider(before, column.dataType)
            if common is None or not (_is_plain(before) and _is_plain(column.dataType)):
                raise InputError(
                    f"files cannot be read together: the types of column {column.name} differ",
                    where=file.path,
                    expected=f"{column.name} of type {before.simpleString()}, as in {parts[0][0].path}",
                    found=column.dataType.simpleString(),
                    hint="write the files with one type, or make them two sources",
                )
            wanted[column.name] = common
    return wanted


def _is_plain(kind: t.DataType) -> bool:
    return not isinstance(kind, t.ArrayType | t.MapType | t.StructType | t.BinaryType)


def _wider(a: t.DataType, b: t.DataType) -> t.DataType | None:
    """The type of numbers, of times, or text, that holds both."""
    for family in (_INTEGERS, (*_INTEGERS, *_FLOATS, t.DecimalType)):
        if isinstance(a, family) and isinstance(b, family):
            return t.LongType() if family is _INTEGERS else t.DoubleType()
    if isinstance(a, _TIMES) and isinstance(b, _TIMES):
        return t.TimestampType()
    return t.StringType() if _is_plain(a) and _is_plain(b) else None


def _widened(part: DataFrame, wanted: dict[str, t.DataType]) -> DataFrame:
    """The columns in their common types; of a number that becomes text, whether it can be an id stands beside it."""
    columns = []
    for column in part.schema:
        name, value, kind = column.name, f.col(quoted(column.name)), column.dataType
        if wanted[name] == kind:
            columns.append(value)
        elif isinstance(wanted[name], t.StringType):
            columns.append(f.coalesce(id_text(value, kind), value.cast("string")).alias(name))
            columns.append(id_fault(value, kind, f.lit(False)).isNotNull().alias(not_text(name)))
        else:
            columns.append(value.cast(wanted[name]).alias(name))
    return part.select(*columns)
