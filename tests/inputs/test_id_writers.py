"""One table of ids has one result, whatever tool wrote it, in whatever format, dialect and width."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from hypothesis import example, given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config.sources import RatingsSettings
from bgmrec.ingest.accounting import KEPT, STATE
from bgmrec.ingest.ratings import map_ratings
from bgmrec.storage import columns as c
from tests.hostile import examples

DS = date(2025, 3, 14)
COLUMNS = {"user_id": "user", "item_id": "item", "rating": "stars"}
Ids = list[Any]
Write = Callable[[Path, Ids], None]

TEXT: dict[str, tuple[str, Write]] = {
    "python csv": ("csv", lambda path, ids: _python_csv(path, ids, csv.QUOTE_MINIMAL)),
    "python csv, all quoted": ("csv", lambda path, ids: _python_csv(path, ids, csv.QUOTE_ALL)),
    "python json": ("jsonl", lambda path, ids: _python_json(path, ids, ascii_only=False)),
    "python json, escaped": ("jsonl", lambda path, ids: _python_json(path, ids, ascii_only=True)),
    "pandas csv": ("csv", lambda path, ids: _frame(ids).to_csv(path, index=False)),
    "pandas csv, utf-8-sig": ("csv", lambda path, ids: _frame(ids).to_csv(path, index=False, encoding="utf-8-sig")),
    "pandas json": ("jsonl", lambda path, ids: _frame(ids).to_json(path, orient="records", lines=True)),
    "pandas parquet": ("parquet", lambda path, ids: _frame(ids).to_parquet(path)),
    "polars csv": ("csv", lambda path, ids: pl.DataFrame(_frame(ids)).write_csv(path)),
    "polars json": ("jsonl", lambda path, ids: pl.DataFrame(_frame(ids)).write_ndjson(path)),
    "polars parquet": ("parquet", lambda path, ids: pl.DataFrame(_frame(ids)).write_parquet(path)),
    "duckdb csv": ("csv", lambda path, ids: _duckdb(path, ids, "format csv, header")),
    "duckdb json": ("jsonl", lambda path, ids: _duckdb(path, ids, "format json")),
    "duckdb parquet": ("parquet", lambda path, ids: _duckdb(path, ids, "format parquet")),
    "arrow csv": ("csv", lambda path, ids: pa_csv.write_csv(pa.Table.from_pandas(_frame(ids)), path)),
    "arrow parquet": ("parquet", lambda path, ids: pq.write_table(pa.Table.from_pandas(_frame(ids)), path)),
}
NUMBERS: dict[str, Any] = {
    "int16": np.int16, "int32": np.int32, "int64": np.int64, "uint16": np.uint16, "uint32": np.uint32,
    "uint64": np.uint64, "float32": np.float32, "float64": np.float64,
}  # fmt: skip


def _frame(ids: Ids) -> pd.DataFrame:
    return pd.DataFrame({"user": ids, "item": ["i"] * len(ids), "stars": [5.0] * len(ids)})


def _python_csv(path: Path, ids: Ids, quoting: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=quoting)
        writer.writerows([("user", "item", "stars"), *((user, "i", 5) for user in ids)])


def _python_json(path: Path, ids: Ids, *, ascii_only: bool) -> None:
    records = (json.dumps({"user": user, "item": "i", "stars": 5}, ensure_ascii=ascii_only) for user in ids)
    path.write_text("".join(f"{record}\n" for record in records), encoding="utf-8")


def _duckdb(path: Path, ids: Ids, options: str) -> None:
    frame = _frame(ids)  # read by DuckDB by its name
    assert len(frame) == len(ids)
    duckdb.sql(f"copy (select * from frame) to '{path}' ({options})")


def _spark(spark: SparkSession, folder: Path, ids: Ids) -> None:
    """The files that Spark writes."""
    frame = spark.createDataFrame(_frame(ids)).coalesce(1)
    for format in ("csv", "json", "parquet"):
        written = folder / f"spark-{format}"
        frame.write.format(format).option("header", "true").option("escape", '"').save(str(written))
        [part] = written.glob(f"part-*.{format}")
        part.rename(folder / format.replace("json", "jsonl") / "spark")


def _users(spark: SparkSession, folder: Path) -> dict[str, set[str]]:
    """Writer → the user ids that come out of its file, from the folder of each format."""
    sources = [
        {"name": path.name, "format": path.name.partition("_")[0], "paths": [str(path)], **COLUMNS}
        for path in sorted(folder.iterdir())
        if "-" not in path.name
    ]
    mapped: DataFrame = map_ratings(spark, RatingsSettings(sources=sources), data=str(folder), ds=DS)
    file = f.element_at(f.split(c.SOURCE_FILE, "/"), -1)
    name = f.concat_ws(": ", c.SOURCE, file).alias("name")
    rows = mapped.where(f.col(STATE) == KEPT).groupBy(name).agg(f.collect_set(c.USER_ID).alias("ids")).collect()
    return {row["name"]: set(row["ids"]) for row in rows}


def _wrong(found: dict[str, set[str]], expected: set[str], files: int) -> dict[str, Any]:
    """Writer → the ids that it has too many or too few."""
    assert len(found) == files
    return {name: sorted(users ^ expected)[:9] for name, users in found.items() if users != expected}


# line breaks of a lone \r, and NUL, are what CSV has no rule for; spaces round an id are no part of it
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(str.strip).filter(bool)


@examples(2)
@given(st.lists(texts, min_size=1, max_size=30, unique=True))
@example(
    [
        "007",
        "7",
        "7.0",
        "1e5",
        "100000",
        "true",
        "null",
        "NaN",
        "a,b",
        'say "hi"',
        "\\",
        "end\\",
        "[1]",
        '{"a":1}',
        "None",
    ]
)
@example(
    ["José", "Josè", "小明", "e\u0301", "\u00e9", "🎵", "line\nbreak", "#1", "\ufffd", "-", "0", "00", "+1", "user"]
)
def test_text_ids_come_out_as_they_went_in(spark: SparkSession, ids: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, (format, write) in TEXT.items():
            (Path(folder) / format).mkdir(exist_ok=True)
            write(Path(folder) / format / name.replace(" ", "_"), ids)
        _spark(spark, Path(folder), ids)
        assert _wrong(_users(spark, Path(folder)), set(ids), len(TEXT) + 3) == {}


@examples(2)
@given(st.lists(st.integers(0, 2**15 - 1), min_size=1, max_size=30, unique=True))
@example([0, 1, 7, 10, 32767])
def test_whole_numbers_of_every_width_are_one_id(spark: SparkSession, numbers: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = 0
        for name, kind in NUMBERS.items():
            for writer, (format, write) in TEXT.items():
                text = name.startswith("float") and format == "csv"  # 7.0 in CSV is text that stays as it stands
                if "python" in writer or text:
                    continue
                # pandas' Parquet files of one width alone, those of the others with other widths in one folder
                place = Path(folder) / (f"parquet_{name}" if writer == "pandas parquet" else format)
                place.mkdir(exist_ok=True)
                write(place / f"{writer.replace(' ', '_')}_{name}", list(np.array(numbers, kind)))
                files += 1
        assert _wrong(_users(spark, Path(folder)), {str(number) for number in numbers}, files) == {}
