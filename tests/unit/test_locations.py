"""Locations of published tables are written as all readers take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgmrec.publish.locations import delete_checksums, reader_location


@pytest.mark.parametrize(
    ("folder", "default_root", "location"),
    [
        ("file:/data/bgmrec", "file:/", "/data/bgmrec/"),
        ("file:///data/bgmrec/", "file:/", "/data/bgmrec/"),
        ("file:/my data/100%/a:b/#1/音楽", "file:/", "/my data/100%/a:b/#1/音楽/"),
        # a plain path would be one of HDFS in Spark
        ("file:/mnt/bgmrec", "hdfs://names:8020/", "file:///mnt/bgmrec/"),
        ("hdfs://names:8020/bgmrec", "hdfs://names:8020/", "hdfs://names:8020/bgmrec/"),
        ("s3a://bucket/bgmrec", "file:/", "s3://bucket/bgmrec/"),
        ("s3n://bucket/bgmrec", "s3n://bucket/", "s3://bucket/bgmrec/"),
        ("s3://bucket/bgmrec", "file:/", "s3://bucket/bgmrec/"),
        ("gs://bucket/bgmrec", "file:/", "gs://bucket/bgmrec/"),
        ("abfss://box@store.dfs.core.windows.net/bgmrec", "file:/", "abfss://box@store.dfs.core.windows.net/bgmrec/"),
    ],
)
def test_one_spelling_for_all_readers(folder: str, default_root: str, location: str) -> None:
    assert reader_location(folder, default_root) == location


def test_checksums_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    for name in ("part-0.parquet", ".part-0.parquet.crc", "_SUCCESS", "._SUCCESS.crc"):
        (tmp_path / name).touch()
    delete_checksums(f"file:{tmp_path}")
    assert {path.name for path in tmp_path.iterdir()} == {"part-0.parquet", "_SUCCESS"}
    delete_checksums("s3a://bucket/folder")
