"""Files of every format and oddity → raw string columns, with nothing lost on the way."""

import gzip
from datetime import date

import pytest

from bgmrec.config.sources import Files
from bgmrec.errors import InputError
from bgmrec.ingest.column_names import raw_columns
from bgmrec.ingest.raw_record import CORRUPT, FILE
from bgmrec.ingest.read_failures import read_failures
from bgmrec.ingest.sources import read_files
from tests.mounts import mounted

DS = date(2024, 3, 2)


def read(spark, folder, **files):
    return read_files(spark, Files(**files), data=str(folder), ds=DS, where="log")


def rows(df, *columns):
    return sorted(tuple(row[name] for name in columns) for row in df.collect())


def test_csv_columns_are_strings_with_the_file_beside_them(spark, tmp_path):
    (tmp_path / "a.csv").write_text('user,note\r\n1,"x, y"\r\n2,\r\n')
    raw = read(spark, tmp_path, format="csv", paths=["{data}/a.csv"])
    assert raw_columns(raw) == ["user", "note"]
    assert [(row.user, row.note, row[CORRUPT]) for row in raw.collect()] == [("1", "x, y", None), ("2", None, None)]
    assert raw.first()[FILE].endswith("/a.csv")


def test_long_separators_lone_quotes_and_latin_1_are_text(spark, tmp_path):
    (tmp_path / "m.dat").write_bytes('1::"Été" in\r\n2::say "hi::\r\n'.encode("latin-1"))
    options = {"sep": "::", "encoding": "ISO-8859-1", "quote": ""}
    raw = read(spark, tmp_path, format="csv", paths=["{data}/m.dat"], columns=["id", "title"], options=options)
    assert [(row.id, row.title) for row in raw.collect()] == [("1", '"Été" in'), ("2", 'say "hi')]


def test_a_csv_row_of_another_length_is_kept_as_corrupt(spark, tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n1,7\n2\n3,8,9\n")
    raw = read(spark, tmp_path, format="csv", paths=["{data}/a.csv"])
    assert [row[CORRUPT] for row in raw.collect()] == [None, "2", "3,8,9"]


def test_broken_json_lines_stay_and_types_do_not_depend_on_the_data(spark, tmp_path):
    lines = [
        '{"id": 1, "tags": ["a","b"]}',  # Spark 4 would keep a space
        '{"id": "x", "tags": "a"}',
        '{"id": 3, "ta',
        "[1]",
        '{"deep": {"n":1.5}}',
    ]
    (tmp_path / "c.jsonl").write_text("\n".join(lines))
    raw = read(spark, tmp_path, format="jsonl", paths=["{data}/*.jsonl"])
    assert dict(raw.dtypes)["tags"] == "string"
    found = [(row.id, row.tags, row.deep, row[CORRUPT] is not None) for row in raw.collect()]
    assert found[:2] == [("1", '["a","b"]', None, False), ("x", "a", None, False)]
    assert found[4] == (None, None, '{"n":1.5}', False)
    assert [broken for *_, broken in found] == [False, False, True, True, False]


def test_a_json_file_without_one_whole_record_still_gives_its_rows(spark, tmp_path):
    (tmp_path / "c.jsonl").write_text('{"id"\nnonsense\n')
    raw = read(spark, tmp_path, format="jsonl", paths=["{data}/c.jsonl"])
    assert rows(raw, CORRUPT) == [("nonsense",), ('{"id"',)]


def test_named_json_columns_are_read_even_where_no_record_has_them(spark, tmp_path):
    (tmp_path / "c.jsonl").write_text('{"id": 1, "extra": 2}\n')
    raw = read(spark, tmp_path, format="jsonl", paths=["{data}/c.jsonl"], columns=["id", "title"])
    assert raw_columns(raw) == ["id", "title"]
    assert rows(raw, "id", "title") == [("1", None)]


def test_another_hadoop_file_system_is_read_by_its_scheme_and_by_globs(spark, tmp_path):
    for day, user in (("2024-03-01", "1"), ("2024-03-02", "2")):
        (tmp_path / f"ds={day}").mkdir()
        (tmp_path / f"ds={day}" / "log.csv").write_text(f"user\n{user}\n")
    location = mounted(spark, tmp_path)
    raw = read(spark, location, format="csv", paths=["{data}/ds={ds}/*.csv"], lookback_days=2)
    assert rows(raw, "user") == [("1",), ("2",)]
    with pytest.raises(InputError, match="matches no file"):
        read(spark, location, format="csv", paths=["{data}/nothing/*.csv"])


def test_parquet_keeps_its_types(spark, tmp_path):
    spark.createDataFrame([(1, 2.5)], "user long, rating double").write.parquet(str(tmp_path / "p"))
    raw = read(spark, tmp_path, format="parquet", paths=["{data}/p"])
    assert [(row.user, row.rating, row[CORRUPT]) for row in raw.collect()] == [(1, 2.5, None)]
    assert ".parquet" in raw.first()[FILE]


@pytest.fixture
def days(tmp_path):
    for day, text in (("2024-02-29", "user,item\n1,7\n"), ("2024-03-02", "item,user,extra\n8,2,x\n")):
        (tmp_path / f"ds={day}").mkdir()
        (tmp_path / f"ds={day}" / "log.csv").write_text(text)
    return tmp_path


def test_a_missing_day_is_named(spark, days):
    with pytest.raises(InputError) as caught:
        read(spark, days, format="csv", paths=["{data}/ds={ds}"], lookback_days=3)
    assert "1 missing: 2024-03-01" in str(caught.value) and "3 days 2024-02-29 to 2024-03-02" in str(caught.value)
    assert f"{days}/ds=2024-03-01" in caught.value.where and "allow_missing_days" in caught.value.hint


def test_days_with_other_columns_are_read_by_name(spark, days):
    raw = read(spark, days, format="csv", paths=["{data}/ds={ds}"], lookback_days=3, allow_missing_days=True)
    assert [tuple(row) for row in raw.select("user", "item", "extra").orderBy("user").collect()] == [
        ("1", "7", None),
        ("2", "8", "x"),
    ]


def test_without_a_window_only_the_logical_date_is_read(spark, days):
    assert rows(read(spark, days, format="csv", paths=["{data}/ds={ds}/*.csv"]), "user") == [("2",)]


def test_an_allowed_gap_may_not_be_the_whole_window(spark, tmp_path):
    with pytest.raises(InputError, match="partitions of the window are missing"):
        read(spark, tmp_path, format="csv", paths=["{data}/ds={ds}"], lookback_days=2, allow_missing_days=True)


def test_a_path_without_files_is_named(spark, tmp_path):
    with pytest.raises(InputError, match=r"an input path matches no file") as caught:
        read(spark, tmp_path, format="parquet", paths=["{data}/nothing"])
    assert caught.value.where == f"{tmp_path}/nothing" and "paths.data" in caught.value.hint


def test_files_of_a_folder_whose_headers_differ_are_read_by_name(spark, tmp_path):
    (tmp_path / "day").mkdir()
    (tmp_path / "day" / "a.csv").write_text("user,item\n1,7\n")
    (tmp_path / "day" / "b.csv").write_text("item,user\n8,2\n")
    assert rows(read(spark, tmp_path, format="csv", paths=["{data}/day"]), "user", "item") == [("1", "7"), ("2", "8")]


@pytest.mark.parametrize("columns", [["user", "item"], []])
def test_a_damaged_archive_among_whole_ones_is_named(spark, tmp_path, columns):
    lines = "".join(f'{{"user": "u{n}", "item": "i{n * n}"}}\n' for n in range(2000)).encode()
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines)[:3000])
    with pytest.raises(InputError, match="raw files cannot be read") as caught:
        raw = read(spark, tmp_path, format="jsonl", paths=["{data}/*.gz"], columns=columns)
        with read_failures(spark, "the log", raw.inputFiles, withheld=False):
            raw.collect()
    assert caught.value.where.endswith("/b.jsonl.gz") and "," not in caught.value.where
