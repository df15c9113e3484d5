"""CSV → raw columns of text, as RFC 4180 has it: quotes doubled, a backslash an ordinary character, quoted line breaks.

Spark's own dialect is to be had by `options.escape`. Files are read in groups with one header, encoding and layout, so
that columns that were added, removed or moved keep their names. One pass over the lines looks for quoted line breaks,
which Spark must be told of, and for bytes that are not of the encoding.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import and_, or_
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.sources import Files
from bgmrec.errors import InputError
from bgmrec.ingest import encoding as enc
from bgmrec.ingest.column_names import internal, quoted, unambiguous, words_of
from bgmrec.ingest.input_files import InputFile, by_layout, file_uri, first_bytes, for_each, one_slash, read_group
from bgmrec.ingest.raw_record import CORRUPT, FAULT, FILE, UNREADABLE, no_rows

HEADER_AGAIN = "a header line among the rows"

_UNNAMED = internal("unnamed_")  # fields beyond those that `columns` names
_MOST_COLUMNS = "1000000"  # by default Spark ends the job at a line of 20,480 separators
_FIRST_BYTES = 2**16
_MOST_FIRST_BYTES = 2**24
_MOST_COUNTED = 100  # a torn file would give as many reasons as it has lines


@dataclass(frozen=True)
class _Dialect:
    """How the lines of a source are read.

    Args:
        options: of Spark's reader.
        separator: between fields.
        quote: round fields; empty: none.
        comment: first character of lines that are passed over; empty: none.
        multi_line: whether fields may hold line breaks; None: each file decides.
    """

    options: dict[str, str]
    separator: str
    quote: str
    comment: str
    multi_line: bool | None

    @classmethod
    def of(cls, files: Files) -> _Dialect:
        said = {key.lower(): value for key, value in files.options.items()}
        quote = said.get("quote", '"')
        options = {"maxcolumns": _MOST_COLUMNS, "escape": quote or "\\", "columnpruning": "false", **said}
        for name in ("encoding", "charset", "multiline", "header"):
            options.pop(name, None)
        multi_line = said["multiline"].lower() == "true" if "multiline" in said else None
        if multi_line is None and (not quote or options["escape"] != quote):
            multi_line = False
        separator = said.get("sep", said.get("delimiter", ",")).replace("\\t", "\t")
        return cls(options, separator, quote, said.get("comment", ""), multi_line)

    def fields(self, line: Column) -> Column:
        """The number of fields of a line."""
        without_quoted = f.regexp_replace(line, self._quoted(), "") if self.quote else line
        return (f.length(without_quoted) - f.length(f.replace(without_quoted, f.lit(self.separator), f.lit("")))) / len(
            self.separator
        ) + 1

    def width(self, line: str) -> int:
        """The number of fields of a line."""
        return (re.sub(self._quoted(), "", line) if self.quote else line).count(self.separator) + 1

    def _quoted(self) -> str:
        quote = re.escape(self.quote)
        return f"{quote}(?:[^{quote}]|{quote}{quote})*{quote}"

    def open_at_end(self) -> str:
        """A pattern of lines that end inside a quoted field."""
        quote = re.escape(self.quote)
        return f"(?:^|{re.escape(self.separator)}){quote}(?:[^{quote}]|{quote}{quote})*$"


@dataclass(frozen=True)
class _Layout:
    """What files must share to be read together: first line, line ends, encoding, quoted line breaks."""

    first_line: str
    line_end: str
    encoding: str
    multi_line: bool
    decodable: bool


@dataclass
class _Seen:
    """What the pass over the lines saw, by URI."""

    quoted_breaks: set[str] = field(default_factory=set)
    undecodable: set[str] = field(default_factory=set)


def read_csv(
    spark: SparkSession, files: Files, found: Sequence[InputFile], read: Collection[str], withheld: bool
) -> list[DataFrame]:
    """The raw rows of CSV files.

    Args:
        spark: the session.
        files: options and columns.
        found: the files.
        read: lower-case words of the source's expressions; a header has at least one of them.
        withheld: whether values may not be shown in errors: a first line that is no header holds some.

    Raises:
        InputError: a file's first line cannot be decoded, or is no header.
    """
    dialect = _Dialect.of(files)
    said = enc.encoding_said(spark, files.options, found[0].path if found else "")
    known = for_each(lambda file: _encoding(spark, file, said), found)
    encodings = {file.uri: encoding for file, encoding in zip(found, known, strict=True)}
    seen = _look_at_lines(spark, dialect, found, encodings)
    first_lines = for_each(lambda file: _first_line(spark, file, encodings[file.uri], dialect), found)
    groups: dict[_Layout, list[InputFile]] = {}
    for file, (line, line_end) in zip(found, first_lines, strict=True):
        encoding = encodings[file.uri]
        wide, breaks = enc.is_wide(encoding), file.uri in seen.quoted_breaks
        multi_line = wide or (breaks if dialect.multi_line is None else dialect.multi_line)
        layout = _Layout(line, line_end, encoding, multi_line, file.uri not in seen.undecodable)
        groups.setdefault(layout, []).append(file)
    parts = []
    for layout, same in groups.items():
        for group in by_layout(same):
            parts.append((layout, group, list(files.columns) or _header(spark, dialect, layout, group)))
    if not files.columns:
        _check_headers(parts, read, withheld)
    return [_read(spark, files, dialect, *part) for part in parts] or [no_rows(spark, files.columns)]


def _check_headers(
    parts: Sequence[tuple[_Layout, list[InputFile], list[str]]], read: Collection[str], withheld: bool
) -> None:
    """A file without a header among others that have one: its first row would be lost, the others be rejects."""
    headers = [bool(words_of(names) & set(read)) for *_, names in parts if names]
    if not any(headers) or all(headers):
        return  # where no file has one, the expressions that find no column say so
    for layout, group, names in parts:
        if names and not words_of(names) & set(read):
            raise InputError(
                "the first line of a file is no header",
                where=group[0].path,
                expected="the name of at least one column that the source's expressions read",
                found="text that is not shown because it may hold raw ids" if withheld else layout.first_line[:200],
                hint="add the header, or name the columns in the source's `columns` and remove the others' headers",
            )


def _encoding(spark: SparkSession, file: InputFile, said: str) -> str:
    return enc.encoding_of(said, first_bytes(spark, file, 4, unpacked=True), file.path)


def _look_at_lines(
    spark: SparkSession, dialect: _Dialect, found: Sequence[InputFile], encodings: dict[str, str]
) -> _Seen:
    """Looks for quoted line breaks and undecodable bytes; in wide encodings every file is read with line breaks."""
    seen = _Seen()
    by_encoding: dict[str, list[InputFile]] = {}
    for file in found:
        by_encoding.setdefault(encodings[file.uri], []).append(file)
    for encoding, same in by_encoding.items():
        wide = enc.is_wide(encoding)
        undecodable = enc.undecodable(f.col("content" if wide else "value").cast("binary"), encoding)
        odd = f.lit(False)
        if dialect.multi_line is None and not wide:
            # `contains` keeps the pattern from the many lines without a quote
            odd = f.when(f.col("value").contains(dialect.quote), f.col("value").rlike(dialect.open_at_end()))
            odd = f.coalesce(odd, f.lit(False))
        for group in by_layout(same):
            lines = read_group(spark.read, "binaryFile" if wide else "text", group)
            marked = lines.select(file_uri(lines).alias("file"), odd.alias("odd"), undecodable.alias("bad"))
            rows = marked.where("odd or bad").groupBy("file").agg(f.max("odd").alias("odd"), f.max("bad").alias("bad"))
            for row in rows.collect():
                seen.quoted_breaks |= {one_slash(row["file"])} if row["odd"] else set()
                seen.undecodable |= {one_slash(row["file"])} if row["bad"] else set()
    return seen


def _first_line(spark: SparkSession, file: InputFile, encoding: str, dialect: _Dialect) -> tuple[str, str]:
    """The first line that is neither blank nor a comment, with its quoted line breaks; and how lines end."""
    number = _FIRST_BYTES
    while True:
        content = first_bytes(spark, file, number, unpacked=True)
        jvm: Any = spark.sparkContext._jvm
        text = str(jvm.java.lang.String(content, encoding)).removeprefix(enc.BOM)
        whole = len(content) < number or number >= _MOST_FIRST_BYTES
        line = _first_of(text, dialect, whole)
        if line is not None:
            return line, "\r" if "\r" in text and "\n" not in text else "\n"
        number *= 16


def _first_of(text: str, dialect: _Dialect, whole: bool) -> str | None:
    lines = re.split(r"\r\n|\r|\n", text)
    for n, line in enumerate(lines):
        if not line.strip() or (dialect.comment and line.startswith(dialect.comment)):
            continue
        last = n
        while dialect.quote and line.count(dialect.quote) % 2 and last + 1 < len(lines):
            last += 1
            line = f"{line}\n{lines[last]}"
        return line if whole or last + 1 < len(lines) else None
    return "" if whole else None


def _read(
    spark: SparkSession,
    files: Files,
    dialect: _Dialect,
    layout: _Layout,
    group: list[InputFile],
    names: list[str],
) -> DataFrame:
    if not names:
        return no_rows(spark, [])
    width = max(len(names), dialect.width(layout.first_line)) if files.columns else len(names)
    columns = [*names, *(f"{_UNNAMED}{n}" for n in range(len(names), width))]
    schema = t.StructType([t.StructField(name, t.StringType()) for name in [*columns, CORRUPT]])
    options = _options(dialect, layout, has_header=not files.columns)
    options |= {"columnNameOfCorruptRecord": CORRUPT, "mode": "PERMISSIVE"}
    raw = read_group(spark.read.schema(schema), "csv", group, **options)
    folders = [name for name in raw.columns if name not in (*columns, CORRUPT)]
    values = {name: f.col(quoted(name)) for name in columns}
    if layout.multi_line:
        values[columns[-1]] = f.regexp_replace(values[columns[-1]], "\r$", "")
    raw = raw.select(
        *(value.alias(name) for name, value in values.items()),
        *(f.col(quoted(name)) for name in folders),
        CORRUPT,
        _fault(dialect, layout, names, values).alias(FAULT),
        file_uri(raw).alias(FILE),
    )
    return unambiguous(raw, [*names, *folders])


def _options(dialect: _Dialect, layout: _Layout, *, has_header: bool) -> dict[str, str]:
    options = {**dialect.options, "encoding": layout.encoding, "multiLine": str(layout.multi_line).lower()}
    if layout.multi_line:
        # otherwise the first line's end counts for the whole file, and an end of another kind joins two rows
        options.setdefault("linesep", layout.line_end)
    return {**options, "header": str(has_header).lower()}


def _header(spark: SparkSession, dialect: _Dialect, layout: _Layout, group: list[InputFile]) -> list[str]:
    """The names in the first line, as Spark reads them."""
    if enc.REPLACEMENT in layout.first_line and not layout.decodable:
        raise InputError(
            "a header line cannot be decoded",
            where=group[0].path,
            expected=f"text in {layout.encoding}",
            found=layout.first_line[:200],
            hint='set options = {encoding = "…"} for the source, for example windows-1252 or GB18030',
        )
    names = read_group(spark.read, "csv", group[:1], **_options(dialect, layout, has_header=True)).columns
    return [name.rstrip("\r") for name in names[: len(names) - len(group[0].keys)]]


def _fault(dialect: _Dialect, layout: _Layout, names: Sequence[str], values: dict[str, Column]) -> Column:
    """Why a row cannot be read: bytes, a header line, or its number of fields."""
    number = dialect.fields(f.col(CORRUPT)).cast("int")
    shown = f.when(number > _MOST_COUNTED, f.lit(f"more than {_MOST_COUNTED}")).otherwise(number.cast("string"))
    counted = f.concat(f.lit(f"{UNREADABLE}: "), shown, f.lit(f" fields instead of {len(values)}"))
    ragged = f.when(number == len(values), f.lit(UNREADABLE)).otherwise(counted)
    faults = [f.when(f.col(CORRUPT).isNotNull(), f.coalesce(ragged, f.lit(UNREADABLE)))]
    if not layout.decodable:
        foreign = reduce(or_, (f.coalesce(value.contains(enc.REPLACEMENT), f.lit(False)) for value in values.values()))
        faults.insert(0, f.when(foreign, f.lit(enc.UNDECODABLE)))
    repeated = reduce(and_, (values[name] == name for name in names))
    return f.coalesce(*faults, f.when(repeated, f.lit(HEADER_AGAIN)))
