"""Damaged files of every format: an error that names the file, or rows that are all accounted for. More: make fuzz."""

from __future__ import annotations

import bz2
import gzip
import tempfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from bgmrec.config.sources import RatingsSettings
from bgmrec.errors import BgmrecError
from bgmrec.ingest.accounting import STATES, count_states, rejects, summarize
from bgmrec.ingest.ratings import map_ratings
from tests.hostile import examples

DS = date(2025, 3, 14)
LOG = {"name": "log", "user_id": "user", "item_id": "item", "rating": "stars", "rated_at": "to_timestamp(at)"}
N_ROWS = 40
ROWS = pd.DataFrame(
    {
        "user": [f"user {n}" for n in range(N_ROWS)],
        "item": [f'say "hi", {n}' if n % 5 == 0 else f"项目{n}" for n in range(N_ROWS)],
        "stars": [n % 6 for n in range(N_ROWS)],
        "at": ["2025-03-13 10:00:00"] * N_ROWS,
    }
)


def _written(write: Callable[[Path], Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "whole")
        return (Path(folder) / "whole").read_bytes()


CSV = _written(lambda path: ROWS.to_csv(path, index=False))
JSON = _written(lambda path: ROWS.to_json(path, orient="records", lines=True, force_ascii=False))
# name of the file → whole content
WHOLE = {
    "log.csv": CSV,
    "log.jsonl": JSON,
    "log.parquet": _written(ROWS.to_parquet),
    "log.csv.gz": gzip.compress(CSV),
    "log.jsonl.gz": gzip.compress(JSON),
    "log.jsonl.bz2": bz2.compress(JSON),
}


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The content with some bytes flipped, cut out, doubled or added, or cut off."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.integers(1, 40))
        damage = draw(st.sampled_from(["flip", "cut out", "double", "add", "cut off", "zero"]))
        part = bytes(content[at : at + length])
        if damage == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif damage == "cut off":
            del content[at:]
        elif damage == "add":
            content[at:at] = draw(st.binary(min_size=1, max_size=20))
        else:
            content[at : at + length] = {"cut out": b"", "double": part * 2, "zero": bytes(len(part))}.get(damage, part)
    return bytes(content)


def ingest(spark: SparkSession, folder: str, format: str, path: str) -> dict[str, Any] | None:
    """The counts of the log; None where it is refused, which names a place and gives a hint."""
    written: list[DataFrame] = []

    def write(rows: DataFrame) -> DataFrame:
        written.append(rows.cache())
        rows.count()
        return rows

    source = {**LOG, "format": format, "paths": [f"{{data}}/{path}"]}
    settings = RatingsSettings(sources=[source], minimum=0, maximum=5)
    try:
        mapped = map_ratings(spark, settings, data=folder, ds=DS, write=write)
        facts = summarize(count_states(mapped, rejects(mapped), ["log"]).collect())
    except BgmrecError as error:
        assert error.where and error.hint and error.exit_status in (2, 3)
        return None
    finally:
        for rows in written:
            rows.unpersist()
    assert facts["rows_in"] == sum(facts[state] for state in STATES)
    return facts


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_give_all_rows(spark: SparkSession, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(WHOLE[name])
    facts = ingest(spark, str(tmp_path), name.split(".")[1], name)
    assert facts and facts["kept"] == N_ROWS


@examples(3)
@given(st.data())
@pytest.mark.parametrize("name", WHOLE)
def test_damaged_files_are_refused_or_accounted_for(spark: SparkSession, name: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data.draw(damaged(WHOLE[name])))
        ingest(spark, folder, name.split(".")[1], name)


AT = datetime(2025, 3, 13)
VALUES: list[tuple[pa.DataType, Any]] = [
    (pa.string(), "x"), (pa.large_string(), "x"), (pa.binary(), b"\xff"), (pa.bool_(), True),
    (pa.int8(), 1), (pa.int32(), 1), (pa.int64(), 2**60), (pa.uint64(), 2**64 - 1), (pa.float32(), 1.5),
    (pa.float64(), 7.0), (pa.decimal128(38, 10), Decimal("7.5")),
    (pa.date32(), date(2025, 3, 13)), (pa.timestamp("ns"), AT),
    (pa.timestamp("us", "UTC"), AT), (pa.time64("us"), time(1)), (pa.duration("s"), timedelta(1)),
    (pa.list_(pa.string()), ["a"]), (pa.struct([("a", pa.int32())]), {"a": 1}), (pa.binary(16), b"0123456789abcdef"),
    (pa.map_(pa.string(), pa.int32()), [("a", 1)]), (pa.list_(pa.timestamp("ns")), [AT]),
    (pa.null(), None), (pa.dictionary(pa.int32(), pa.string()), "x"),
]  # fmt: skip


@examples(6)
@given(st.lists(st.tuples(*[st.sampled_from(VALUES)] * 4), min_size=1, max_size=3))
def test_parquet_columns_of_any_type_are_refused_or_accounted_for(
    spark: SparkSession, tables: list[tuple[tuple[pa.DataType, Any], ...]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "log").mkdir()
        for n, columns in enumerate(tables):
            named = zip(("user", "item", "stars", "at"), columns, strict=True)
            table = pa.table({name: pa.array([value, None], kind) for name, (kind, value) in named})
            pq.write_table(table, Path(folder) / f"log/{n}.parquet")
        facts = ingest(spark, folder, "parquet", "log")
        assert facts is None or facts["rows_in"] == 2 * len(tables)
