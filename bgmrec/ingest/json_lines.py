"""JSON lines → raw columns of text: nested values as JSON text, numbers by value.

A line is parsed by Spark's `from_json` beside its own text, because Spark's reader gives `7.0` and `"7.0"` the same
text: where an id is read, the line tells a number from a string. A list of records counts as so many records.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.sources import Files
from bgmrec.ingest import encoding as enc
from bgmrec.ingest.column_names import internal, most_used_spelling, quoted, unambiguous
from bgmrec.ingest.ids import LARGEST_EXACT
from bgmrec.ingest.input_files import InputFile, by_layout, file_uri, first_bytes, for_each, one_slash, read_group
from bgmrec.ingest.raw_record import CORRUPT, FAULT, FILE, UNREADABLE, no_rows, not_text

_TEXT = internal("text")  # of the record
_RECORD = internal("record")  # the same, parsed
_READER_OPTIONS = ("linesep", "encoding", "charset", "multiline", "pathglobfilter", "modifiedbefore", "modifiedafter")
_ELEMENTS = "array<string>"


def read_json(
    spark: SparkSession, files: Files, found: Sequence[InputFile], identifiers: Collection[str]
) -> list[DataFrame]:
    """The raw rows of JSON lines.

    Args:
        spark: the session.
        files: options and columns.
        found: the files.
        identifiers: lower-case names of the columns that ids are made of; of each, `not_text` tells numbers that are
            no whole number, booleans and nested values from text.
    """
    if not found:
        return [no_rows(spark, files.columns)]
    parts = _records(spark, files, found)
    parser = {key: value for key, value in files.options.items() if key.lower() not in _READER_OPTIONS}
    # named columns save the pass over the files that discovers them
    names = files.columns or _keys(parts, parser)
    return [unambiguous(_parsed(part, names, parser, identifiers), names) for part in parts]


def _records(spark: SparkSession, files: Files, found: Sequence[InputFile]) -> list[DataFrame]:
    """The text of each record, whether its bytes can be decoded, its file, and the columns of its folders."""
    options = {key.lower(): value for key, value in files.options.items()}
    said = enc.encoding_said(spark, files.options, found[0].path)
    whole = options.get("multiline", "false").lower() == "true"
    reader: dict[str, str] = {key: options[key] for key in ("modifiedbefore", "modifiedafter") if key in options}
    by_encoding: dict[str, list[InputFile]] = {}
    # UTF-8 needs no look: Hadoop's reader of lines removes its mark, and other marks are undecodable
    in_utf_8 = said == enc.UTF_8
    starts = (
        [b""] * len(found) if in_utf_8 else for_each(lambda file: first_bytes(spark, file, 4, unpacked=True), found)
    )
    for file, start in zip(found, starts, strict=True):
        by_encoding.setdefault(enc.encoding_of(said, start, file.path), []).append(file)
    parts = []
    for encoding, same in by_encoding.items():
        separator = options.get("linesep", "\n" if enc.is_wide(encoding) else None)
        lines = {"encoding": encoding, "lineSep": separator} if separator else {}
        for group in by_layout(same):
            read = partial(_lines, spark, encoding, {"wholetext": str(whole).lower(), **reader, **lines})
            lists = {file.uri for file in group} if whole else _with_lists(read(group))
            for has_lists in (True, False):
                alike = [file for file in group if (file.uri in lists) == has_lists]
                if alike:
                    parts.append(_one_by_one(read(alike), has_lists))
    return parts


def _lines(spark: SparkSession, encoding: str, options: dict[str, str], group: Sequence[InputFile]) -> DataFrame:
    """Each line: its text, whether its bytes can be decoded, its file, and the columns of its folders."""
    raw = read_group(spark.read, "text", group, **options)
    content = f.col("value").cast("binary")
    text = f.col("value") if encoding == enc.UTF_8 else f.decode(content, encoding)
    text = f.when(text.startswith(enc.BOM), f.substring(text, 2, 2**31 - 1)).otherwise(text)
    return raw.select(
        f.trim(text).alias(_TEXT),
        f.when(enc.undecodable(content, encoding), f.lit(enc.UNDECODABLE)).alias(FAULT),
        file_uri(raw).alias(FILE),
        *(f.col(quoted(name)) for name in raw.columns if name != "value"),
    )


def _with_lists(lines: DataFrame) -> set[str]:
    """URIs of the files with a line that is a list of records, by an action."""
    rows = lines.where(f.col(_TEXT).startswith("[")).select(FILE).distinct().collect()
    return {one_slash(row[FILE]) for row in rows}


def _one_by_one(lines: DataFrame, has_lists: bool) -> DataFrame:
    """The records of the lines. Exploding all lines would take a fifth of the time, for the few files with lists."""
    text = f.col(_TEXT)
    filled = lines.where(text.startswith("{") | text.rlike(r"\S"))
    if not has_lists:
        return filled
    elements = f.coalesce(f.from_json(text, _ELEMENTS), f.array(text))
    records = f.when(text.startswith("["), elements).otherwise(f.array(text))
    others = [f.col(quoted(name)) for name in lines.columns if name != _TEXT]
    return filled.select(f.explode(records).alias(_TEXT), *others)


def _keys(parts: Sequence[DataFrame], parser: dict[str, str]) -> list[str]:
    """The keys of all records, by an action."""
    counts: dict[str, int] = {}
    for part in parts:
        # the second takes three times as long, and lines that only some options of the parser allow
        keys = f.coalesce(f.json_object_keys(_TEXT), f.map_keys(f.from_json(_TEXT, "map<string,string>", parser)))
        for row in part.select(keys.alias("keys")).groupBy("keys").count().collect():
            for key in row["keys"] or ():
                counts[key] = counts.get(key, 0) + row["count"]
    return most_used_spelling(dict(sorted(counts.items())))


def _parsed(part: DataFrame, names: Sequence[str], parser: dict[str, str], identifiers: Collection[str]) -> DataFrame:
    # Spark refuses a schema of the corrupt record alone, which files without one readable record would need
    columns = [*(names or ["_"]), CORRUPT]
    schema = t.StructType([t.StructField(name, t.StringType()) for name in columns])
    options = {**parser, "columnNameOfCorruptRecord": CORRUPT, "mode": "PERMISSIVE"}
    folders = [name for name in part.columns if name not in (_TEXT, FAULT, FILE, *names)]
    record = f.col(_RECORD)
    ids = [name for name in names if name.lower() in identifiers]
    # no filter here: Spark would parse twice to push it down
    parsed = part.select("*", f.from_json(_TEXT, schema, options).alias(_RECORD))
    parsed = parsed.select("*", *(_token(name, record[name]).alias(_token_of(name)) for name in ids))
    parsed = parsed.select("*", *(_number(name, record[name]).alias(_number_of(name)) for name in ids))
    values: list[Column] = []
    for name in columns[:-1]:
        if name in ids:
            is_whole = _is_whole(f.col(quoted(_number_of(name))))
            digits = f.col(quoted(_number_of(name))).cast("bigint").cast("string")
            # JSON makes no difference between 1e5, 100000.0 and 100000
            values.append(f.when(is_whole, digits).otherwise(record[name]).alias(name))
            values.append((f.col(quoted(_token_of(name))).isNotNull() & ~is_whole).alias(not_text(name)))
        else:
            values.append(record[name].alias(name))
    corrupt = f.when(f.col(FAULT).isNotNull(), f.col(_TEXT)).otherwise(record[CORRUPT])
    fault = f.coalesce(FAULT, f.when(record.isNull() | record[CORRUPT].isNotNull(), f.lit(UNREADABLE)))
    kept = [f.col(quoted(name)) for name in folders]
    return parsed.select(*values, *kept, corrupt.alias(CORRUPT), fault.alias(FAULT), FILE)


def _token_of(name: str) -> str:
    return internal(f"token_{name}")


def _token(name: str, value: Column) -> Column:
    """The value as the line has it, with its quotes where it is a string; null where the text alone decides.

    Only texts that a number with a fraction or an exponent, a boolean or a nested value may have need a second look.
    """
    if "'" in name or "?" in name:  # names that a path cannot hold
        return f.lit(None).cast("string")
    # operators without a pattern: most ids are plain digits or words
    first = f.substring(value, 1, 1)
    number = (first.between("0", "9") | (first == "-")) & (value.contains(".") | value.contains("E"))
    unclear = number | first.isin("[", "{") | value.isin("true", "false", '"Infinity"', '"-Infinity"', '"NaN"')
    # a star in a path makes Spark keep the quotes of a string; it writes an infinite number as "Infinity" itself
    listed = f.concat(f.lit("["), f.col(_TEXT), f.lit("]"))
    token = f.get_json_object(listed, f"$[*]['{name}']")
    return f.when(unclear, f.when(~token.startswith('"') | (token == value), token))


def _number_of(name: str) -> str:
    return internal(f"number_{name}")


def _number(name: str, value: Column) -> Column:
    """The value as a number; null where it is text.

    In a column of its own: Java would take a microsecond to find that a text is no number, and beside other expressions
    Spark would cast all values.
    """
    return f.when(f.col(quoted(_token_of(name))).isNotNull(), value.cast("double"))


def _is_whole(number: Column) -> Column:
    return f.coalesce((number == f.floor(number)) & (f.abs(number) <= LARGEST_EXACT), f.lit(False))
