"""All raw formats pass the conformance tests."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conformance.sources import Row, SourceTests, Write


def write_csv(path: Path, columns: list[str], rows: list[Row]) -> None:
    with path.with_name(f"{path.name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_jsonl(path: Path, columns: list[str], rows: list[Row]) -> None:
    records = ({name: text for name, text in zip(columns, row, strict=True) if text is not None} for row in rows)
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.with_name(f"{path.name}.jsonl").write_text(lines, encoding="utf-8")


def write_parquet(path: Path, columns: list[str], rows: list[Row]) -> None:
    arrays = [pa.array([row[n] for row in rows], pa.string()) for n in range(len(columns))]
    pq.write_table(pa.table(arrays, names=columns), path.with_name(f"{path.name}.parquet"))


class TestCsv(SourceTests):
    @pytest.fixture
    def file_format(self) -> str:
        return "csv"

    @pytest.fixture
    def write(self) -> Write:
        return write_csv


class TestJsonLines(SourceTests):
    @pytest.fixture
    def file_format(self) -> str:
        return "jsonl"

    @pytest.fixture
    def write(self) -> Write:
        return write_jsonl


class TestParquet(SourceTests):
    @pytest.fixture
    def file_format(self) -> str:
        return "parquet"

    @pytest.fixture
    def write(self) -> Write:
        return write_parquet
