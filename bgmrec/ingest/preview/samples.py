"""Reads the first rows of a raw file, CSV, JSON lines or Parquet, packed by gzip or not."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from bgmrec.errors import InputError
from bgmrec.ingest.preview.dialect import Dialect, detect_dialect, detect_encoding, has_header, unreadable

Format = Literal["csv", "jsonl", "parquet"]
MAX_BAD_SHARE = 0.05  # more lines that are no records: the file has another format
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_EXTENSIONS: dict[str, Format] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".dat"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
}


@dataclass(frozen=True)
class Sample:
    """The first rows of one file.

    Args:
        path: the file.
        format: as the settings call it.
        columns: name → values in file order; None where a value is missing. CSV values are strings.
        options: Spark's reader options that differ from its defaults.
        header: whether a CSV file names its columns itself.
        complete: whether these are all rows of the file.
        guesses: what was found by looking at the content, for the comments.
    """

    path: Path
    format: Format
    columns: dict[str, list[Any]]
    options: dict[str, str] = field(default_factory=dict)
    header: bool = True
    complete: bool = True
    guesses: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        return max((len(values) for values in self.columns.values()), default=0)


def data_files(paths: Sequence[Path]) -> list[Path]:
    """The files behind some paths; of a folder all files below it that Spark would read, in order of their names.

    Args:
        paths: files and folders.

    Raises:
        InputError: a path does not exist, or a folder holds no file.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(
                "a file does not exist", where=str(path), expected="a file or a folder", hint="check the path"
            )
        inside = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path)))
        if path.is_dir() and not inside:
            raise InputError(
                "a folder holds no data files",
                where=str(path),
                expected="CSV, JSON lines or Parquet files; names that begin with _ or . are not read",
                hint="name the folder that holds the files",
            )
        files += inside if path.is_dir() else [path]
    return files


def read_sample(path: Path, limit: int, *, delimiter: str | None = None, encoding: str | None = None) -> Sample:
    """Reads up to `limit` rows.

    Args:
        path: a file.
        limit: rows.
        delimiter: between the columns of CSV; None: it is detected.
        encoding: of the text; None: it is detected.

    Raises:
        InputError: the file is empty, damaged, or has no format that bgmrec reads.
    """
    try:
        format_ = _format_of(path)
        if format_ == "parquet":
            return _read_parquet(path, limit)
        head = _unpacked(path).read(1 << 20)
        if not head.strip():
            raise unreadable(path, "an empty file", "a file with rows")
        if format_ == "jsonl":
            return _read_json_lines(path, limit, head)
        return _read_csv(path, limit, delimiter, encoding or detect_encoding(path, head))
    except (OSError, EOFError, pa.ArrowException, LookupError, csv.Error) as error:
        raise unreadable(path, str(error) or type(error).__name__, "a whole CSV, JSON lines or Parquet file") from error


def _hidden(path: Path) -> bool:
    return any(part[0] in "_." for part in path.parts)


def _format_of(path: Path) -> Format:
    """By the content where it tells, else by the extension; anything else is taken for CSV."""
    start = path.open("rb").read(4)
    if start.startswith(_PARQUET):
        return "parquet"
    if start.startswith(_GZIP) and path.suffix != ".gz":
        raise unreadable(
            path, "gzip", "a name that ends in .gz, which Spark tells packed files by", "rename the file to NAME.gz"
        )
    if path.suffix == ".gz" and not start.startswith(_GZIP):
        raise unreadable(path, "no gzip", "gzip, as the name says", "rename the file without .gz")
    name = path.with_suffix("") if path.suffix == ".gz" else path
    by_name = _EXTENSIONS.get(name.suffix.lower())
    if by_name == "parquet":
        raise unreadable(path, "no Parquet", "Parquet, as the name says", "rename the file, or write it again")
    if by_name:
        return by_name
    return "jsonl" if _unpacked(path).read(4096).lstrip()[:1] == b"{" else "csv"


def _unpacked(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _read_parquet(path: Path, limit: int) -> Sample:
    file = pq.ParquetFile(path)
    columns_of_file = [file.schema.column(number) for number in range(len(file.schema))]
    if nanoseconds := [column.name for column in columns_of_file if "nanoseconds" in str(column.logical_type)]:
        raise unreadable(
            path,
            f"times in nanoseconds: {', '.join(nanoseconds)}",
            "times in microseconds or milliseconds; Spark reads no others from Parquet",
            "write the file again, for example by pandas: to_parquet(path, coerce_timestamps='us')",
        )
    batches: list[pa.RecordBatch] = []
    for batch in file.iter_batches(batch_size=min(limit, 65_536)):
        batches.append(batch)
        if sum(map(len, batches)) >= limit:
            break
    rows = pa.Table.from_batches(batches, schema=file.schema_arrow).slice(0, limit)
    if not len(rows):
        raise unreadable(path, "no rows", "a file with rows")
    columns = {name: rows.column(name).to_pylist() for name in rows.column_names}
    return Sample(path, "parquet", columns, complete=file.metadata.num_rows <= limit)


def _read_json_lines(path: Path, limit: int, head: bytes) -> Sample:
    if head.lstrip()[:1] == b"[":
        raise unreadable(
            path,
            "one JSON array",
            "JSON lines: one object per line",
            f"jq -c '.[]' {path.name} > {path.with_suffix('.jsonl').name} writes such a file",
        )
    columns: dict[str, list[Any]] = {}
    n_rows, bad, lines = 0, 0, 0
    with io.TextIOWrapper(_unpacked(path), encoding="utf-8-sig", errors="replace") as text:
        for line in text:
            if n_rows == limit:
                break
            if not line.strip():
                continue
            lines += 1
            record = _json_object(line)
            if record is None:
                bad += 1
                continue
            for name, value in record.items():
                columns.setdefault(name, [None] * n_rows).append(value)
            n_rows += 1
            for values in columns.values():
                if len(values) < n_rows:
                    values.append(None)
        complete = not text.readline().strip()
    if not n_rows or bad > MAX_BAD_SHARE * lines:
        raise unreadable(path, f"{bad:,} of {lines:,} lines that are no JSON object", "JSON lines: one object per line")
    return Sample(path, "jsonl", columns, complete=complete)


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _read_csv(path: Path, limit: int, delimiter: str | None, encoding: str) -> Sample:
    with io.TextIOWrapper(_unpacked(path), encoding=encoding, errors="replace", newline="") as text:
        lines = list(itertools.islice(text, 200))
        dialect = detect_dialect(path, lines, delimiter)
        rows = _csv_rows(itertools.chain(lines, text), dialect)
        first = [cell.removeprefix("\ufeff").strip() for cell in next(rows)]
        header = has_header(first, list(_csv_rows(iter(lines[1:]), dialect)))
        names = first if header else [f"column_{number}" for number in range(1, len(first) + 1)]
        table = list(itertools.islice(rows if header else itertools.chain([first], rows), limit))
        complete = next(rows, None) is None
    whole = [row for row in table if len(row) == len(names)]
    if len(table) - len(whole) > MAX_BAD_SHARE * len(table):
        raise unreadable(
            path,
            f"{len(table) - len(whole):,} of {len(table):,} rows with another number of columns than {len(names)}",
            f"CSV with {dialect.delimiter!r} between the columns",
            "name the delimiter with --delimiter, or repair the file",
        )
    if not whole:
        raise unreadable(path, "no rows below the header", "a file with rows")
    columns = {name: [_blank(row[n]) for row in whole] for n, name in enumerate(names)}
    options = {**dialect.options, **({} if encoding.lower().startswith("utf-8") else {"encoding": encoding})}
    guesses = (*(() if delimiter else dialect.guesses), *(() if header else ("no header was found",)))
    return Sample(path, "csv", columns, options, header, complete, guesses)


def _csv_rows(lines: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    if len(dialect.delimiter) == 1:
        rows = csv.reader(lines, delimiter=dialect.delimiter)
    else:  # the csv module knows single characters alone
        rows = (line.rstrip("\r\n").split(dialect.delimiter) for line in lines)  # type: ignore[assignment]
    return (row for row in rows if row)


def _blank(cell: str) -> str | None:
    return cell.strip() or None
