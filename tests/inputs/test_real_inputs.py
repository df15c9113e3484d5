"""Inputs from public bug reports come out as they went in, or as rejects with a reason (../shared/CASES.md)."""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import logging
import lzma
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config.settings import Settings
from bgmrec.config.sources import EntitySettings, RatingsSettings
from bgmrec.errors import InputError, SettingsError
from bgmrec.ingest.accounting import KEPT, REJECTED, STATE
from bgmrec.ingest.ratings import map_ratings
from bgmrec.ingest.side_info import map_entities, merge_entities
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.stages import ingest_ratings
from bgmrec.storage import columns as c

DS = date(2025, 3, 14)
AT = "2025-03-13 10:00:00"
LOG = {"name": "log", "user_id": "user", "item_id": "item", "rating": "stars", "rated_at": "to_timestamp(at)"}
FIELDS = [{"name": "title", "type": "text"}, {"name": "tags", "type": "list"}, {"name": "year", "type": "integer"}]
Rows = list[tuple[Any, ...]]


@pytest.fixture
def rated(spark: SparkSession, tmp_path: Path):
    """Settings of the log → its mapped rows."""

    def read(format: str = "csv", path: str | None = None, **log: Any) -> DataFrame:
        source = {**LOG, "format": format, "paths": [f"{{data}}/{path or f'log.{format}'}"], **log}
        settings = RatingsSettings(sources=[source], minimum=0, maximum=5)
        return map_ratings(spark, settings, data=str(tmp_path), ds=DS)

    return read


@pytest.fixture
def items(spark: SparkSession, tmp_path: Path):
    """Settings of the catalogue → id → (title, tags, year), and the reasons of its rejects."""

    def read(format: str = "csv", **source: Any) -> tuple[dict[str, tuple[Any, ...]], list[str]]:
        cat = {"name": "cat", "format": format, "paths": [f"{{data}}/items.{format}"], "id": "id", **source}
        settings = EntitySettings(sources=[cat], fields=FIELDS)
        mapped = map_entities(spark, settings, "item_id", data=str(tmp_path), ds=DS)
        rows = merge_entities(mapped, settings, "item_id").collect()
        return {r.item_id: (r.title, r.tags, r.year) for r in rows}, reasons(mapped)

    return read


def ids(mapped: DataFrame) -> list[tuple[str, str]]:
    rows = mapped.where(f.col(STATE) == KEPT).select(c.USER_ID, c.ITEM_ID).collect()
    return sorted((row.user_id, row.item_id) for row in rows)


def reasons(mapped: DataFrame) -> list[str]:
    return sorted(row.reason for row in mapped.where(f.col(STATE) == REJECTED).select(c.REASON).collect())


def frame(users: list[Any], items: list[Any], **more: Any) -> pd.DataFrame:
    stars = [5.0, 3.0, 4.0, 2.0, 1.0][: len(users)]
    return pd.DataFrame({"user": users, "item": items, "stars": stars, "at": AT, **more})


def json_log(tmp_path: Path, *users: str) -> None:
    lines = [f'{{"user":{user},"item":"i{n}","stars":5,"at":"{AT}"}}\n' for n, user in enumerate(users)]
    (tmp_path / "log.jsonl").write_text("".join(lines))


# ---- ids


def test_floats_without_a_fraction_are_plain_digits(rated, tmp_path):
    frame([12345678.0, 7.0, None, 1.5, 2.0**60], [20000001.0, 3.0, 4.0, 5.0, 6.0]).to_parquet(tmp_path / "log.parquet")
    mapped = rated("parquet")
    assert ids(mapped) == [("12345678", "20000001"), ("7", "3")]
    assert reasons(mapped) == [
        "missing user id",
        "user id is a float too large to hold every whole number",
        "user id is neither text nor a whole number",
    ]


def test_a_cast_to_text_does_not_change_a_float_id(rated, tmp_path):
    frame([12345678.0], [3.0]).to_parquet(tmp_path / "log.parquet")
    assert ids(rated("parquet", user_id="cast(user as string)")) == [("12345678", "3")]


@pytest.mark.parametrize(
    ("kind", "value", "id_text"),
    [
        (pa.int8(), 7, "7"), (pa.int16(), 7, "7"), (pa.uint32(), 4294967295, "4294967295"),
        (pa.int64(), -7, "-7"), (pa.uint64(), 2**64 - 1, str(2**64 - 1)), (pa.float32(), 16777216.0, "16777216"),
        (pa.decimal128(20, 3), 7, "7"), (pa.string(), " 007 ", "007"), (pa.string(), "7.0", "7.0"),
        (pa.large_string(), "7", "7"), (pa.dictionary(pa.int32(), pa.string()), "7", "7"), (pa.binary(), b"7", "7"),
    ],
)  # fmt: skip
def test_ids_of_every_parquet_type(rated, tmp_path, kind, value, id_text):
    table = pa.table({"user": pa.array([value], kind), "item": ["i"], "stars": [5.0], "at": [AT]})
    pq.write_table(table, tmp_path / "log.parquet")
    assert ids(rated("parquet")) == [(id_text, "i")]


@pytest.mark.parametrize(
    "values",
    [[True], [date(2025, 1, 1)], [datetime(2025, 1, 1)], [[1]], [{"a": 1}], [b"\xff"], [float("inf")]],
    ids=["boolean", "date", "time", "list", "struct", "bytes", "infinity"],
)
def test_parquet_values_that_are_no_ids_are_refused(rated, tmp_path, values):
    pq.write_table(pa.table({"user": values, "item": ["i"], "stars": [5.0], "at": [AT]}), tmp_path / "log.parquet")
    assert reasons(rated("parquet"))[0].startswith("user id is ")


def test_json_numbers_are_ids_by_value_and_strings_as_they_stand(rated, tmp_path):
    json_log(tmp_path, "12345678.0", "12345678", "1e+05", "100000", '"7.0"', '"1e5"', '"true"', "98765432109876543210")
    assert sorted(user for user, _ in ids(rated("jsonl"))) == [
        *("100000", "100000", "12345678", "12345678", "1e5", "7.0", "98765432109876543210", "true")
    ]


def test_json_values_that_are_no_ids_are_refused(rated, tmp_path):
    json_log(tmp_path, "1.5", "true", '{"a":1}', "[1]", "1e300", "1e400", "null")
    assert reasons(rated("jsonl")) == ["missing user id"] + ["user id is neither text nor a whole number"] * 6


def test_undecodable_bytes_never_make_two_users_one(rated, tmp_path):
    rows = b"user,item,stars,at\nJos\xe9,1,5,%s\nJos\xe8,1,1,%s\nana,1,5,%s\n" % ((AT.encode(),) * 3)
    (tmp_path / "log.csv").write_bytes(rows)
    mapped = rated()
    assert ids(mapped) == [("ana", "1")] and all("encoding" in reason for reason in reasons(mapped))
    assert len(reasons(mapped)) == 2
    assert [user for user, _ in ids(rated(options={"encoding": "windows-1252"}))] == ["Josè", "José", "ana"]


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("name", ["utf-88", "no name"])
def test_an_encoding_that_does_not_exist_is_a_settings_error(rated, tmp_path, format, name):
    (tmp_path / f"log.{format}").write_text("user,item,stars,at\n")
    with pytest.raises(SettingsError, match="no such encoding") as caught:
        rated(format, options={"encoding": name})
    assert caught.value.found == name


def test_undecodable_bytes_in_json_lines_are_rejects(rated, tmp_path):
    line = '{"user":"%s","item":"1","stars":5,"at":"' + AT + '"}\n'
    content = [(line % "Jos\xe9").encode("latin-1"), (line % "ana").encode(), (line % "\ufffd").encode()]
    (tmp_path / "log.jsonl").write_bytes(b"".join(content))
    mapped = rated("jsonl")
    assert [user for user, _ in ids(mapped)] == ["ana", "\ufffd"]
    assert ["encoding" in reason for reason in reasons(mapped)] == [True]


def test_a_header_line_among_the_rows_is_a_reject(items, tmp_path):
    (tmp_path / "items.csv").write_text("id,title,tags,year\n1,one,pop,1999\nid,title,tags,year\n3,three,rock,2003\n")
    found, why = items()
    assert set(found) == {"1", "3"} and why == ["a header line among the rows"]


def test_whole_numbers_may_be_written_as_floats(items, tmp_path):
    years = ["1999.0", "15000000.0", "2e3", '"1.2e+05"', "12.5", '"0x7"', '"9007199254740993"']
    (tmp_path / "items.jsonl").write_text("".join(f'{{"id":"{n}","year":{y}}}\n' for n, y in enumerate(years)))
    found, _ = items("jsonl")
    years_found = [found[str(n)][2] for n in range(len(years))]
    assert years_found == [1999, 15000000, 2000, 120000, None, None, 9007199254740993]


def test_numbers_with_a_suffix_are_no_numbers(rated, tmp_path):
    rows = [
        f"u,{n},{stars},{AT}\n" for n, stars in enumerate(["5d", "4f", "0x1p2", "NaN", "Infinity", "+4.5e0", " 3 "])
    ]
    (tmp_path / "log.csv").write_text("user,item,stars,at\n" + "".join(rows))
    mapped = rated()
    assert [item for _, item in ids(mapped)] == ["5", "6"] and reasons(mapped) == ["rating not a number"] * 5


# ---- files


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Shanghai"])
def test_parquet_with_nanoseconds(rated, tmp_path, zone):
    times = pd.to_datetime([AT, "2025-03-12 23:59:59.123456789"], format="ISO8601").tz_localize(zone)
    frame(["a", "b"], ["x", "y"]).assign(at=times).to_parquet(tmp_path / "log.parquet")
    rows = rated("parquet", rated_at="at").orderBy(c.USER_ID).collect()
    expected = [time.tz_localize(None) if zone is None else time.tz_convert(None) for time in times]
    assert [row.rated_at for row in rows] == [time.floor("us").to_pydatetime(warn=False) for time in expected]


def test_parquet_files_whose_column_types_differ(rated, tmp_path):
    (tmp_path / "log").mkdir()
    kinds = [("int64", "int64"), ("str", "float64"), ("int32", "int32"), ("float64", "float32")]
    for n, (user, stars) in enumerate(kinds):
        frame([n, n + 10], ["x", "y"]).astype({"user": user, "stars": stars}).to_parquet(tmp_path / f"log/{n}.parquet")
    mapped = rated("parquet", "log")
    assert ids(mapped) == sorted((str(user), item) for n in range(4) for user, item in ((n, "x"), (n + 10, "y")))


def test_parquet_files_with_missing_and_reordered_columns(rated, tmp_path):
    (tmp_path / "log").mkdir()
    frame(["a"], ["x"], surplus=1).to_parquet(tmp_path / "log/a.parquet")
    frame(["b"], ["y"])[["at", "item", "stars", "user"]].to_parquet(tmp_path / "log/b.parquet")
    assert ids(rated("parquet", "log")) == [("a", "x"), ("b", "y")]


def test_a_parquet_type_without_a_meaning_names_file_and_column(rated, tmp_path):
    table = pa.table(
        {"user": ["a"], "item": ["x"], "stars": [5.0], "at": [AT], "clock": pa.array([1], pa.time64("us"))}
    )
    pq.write_table(table, tmp_path / "log.parquet")
    assert ids(rated("parquet")) == [("a", "x")]
    with pytest.raises(InputError, match="clock") as caught:
        rated("parquet", weight="case when clock is null then 1 else 1 end")
    assert caught.value.where.endswith("log.parquet") and "TIME" in caught.value.found


def test_parquet_columns_that_cannot_be_one_name_file_and_types(rated, tmp_path):
    (tmp_path / "log").mkdir()
    frame(["a"], ["x"], extra=[[1]]).to_parquet(tmp_path / "log/a.parquet")
    frame(["b"], ["y"], extra=["text"]).to_parquet(tmp_path / "log/b.parquet")
    with pytest.raises(InputError, match="extra") as caught:
        rated("parquet", "log")
    assert caught.value.where.endswith("b.parquet") and "a.parquet" in caught.value.expected


QUOTED = """id,title,tags,year
1,"Say ""Yes"", then go","[""pop"",""rock""]",1999
2,"The ""Best"" Of",pop,2001
4,"ends with backslash\\",pop,2003
5,\"\"\"Heroes\"\"\",pop,1977
6,"two
lines",pop,2004
"""
TITLES = {
    "1": ('Say "Yes", then go', ["pop", "rock"], 1999),
    "2": ('The "Best" Of', ["pop"], 2001),
    "4": ("ends with backslash\\", ["pop"], 2003),
    "5": ('"Heroes"', ["pop"], 1977),
    "6": ("two\nlines", ["pop"], 2004),
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_csv_is_read_as_rfc_4180_has_it(items, tmp_path, encoding, ends):
    content = QUOTED.replace("\n", ends).encode(encoding)
    (tmp_path / "items.csv").write_bytes(codecs.BOM_UTF16_BE + content if encoding == "utf-16-be" else content)
    said = {} if encoding.startswith("utf-8") else {"options": {"encoding": encoding[:6].upper()}}
    found, why = items(**said)
    assert {key: (title.replace("\r", ""), *rest) for key, (title, *rest) in found.items()} == TITLES and not why


def test_rows_of_another_length_say_how_many_fields_they_have(rated, tmp_path):
    (tmp_path / "log.csv").write_text(f'user,item,stars,at\na,x,5,{AT}\nb,x,5\n"c,d",x,5,{AT},more\n')
    mapped = rated()
    assert ids(mapped) == [("a", "x")]
    assert reasons(mapped) == [
        "unreadable record: 3 fields instead of 4",
        "unreadable record: 5 fields instead of 4",
    ]


def test_columns_may_name_fewer_fields_than_the_file_has(rated, tmp_path):
    (tmp_path / "log.csv").write_text(f"a,x,5,{AT},more,more\nb,y,4,{AT},more,other\nc,y,4,{AT}\n")
    mapped = rated(columns=["user", "item", "stars", "at"])
    assert ids(mapped) == [("a", "x"), ("b", "y")] and reasons(mapped) == ["unreadable record: 4 fields instead of 6"]


def test_a_key_twice_in_one_record_does_not_end_the_night(rated, tmp_path):
    twice = f'{{"user":"a","user":"b","item":"1","stars":5,"at":"{AT}"}}\n'
    (tmp_path / "log.jsonl").write_text(twice + f'{{"user":"c","item":"1","stars":5,"at":"{AT}","User":"d"}}\n')
    assert ids(rated("jsonl")) == [("b", "1"), ("c", "1")]


def test_huge_and_deep_values_do_not_end_the_night(rated, tmp_path):
    good = json.dumps({"user": "a", "item": "1", "stars": 5, "at": AT, "more": {"x": 1}})
    deep, long = "[" * 5000 + "]" * 5000, "x" * 21_000_000
    lines = [good, f'{{"user":"b","more":{deep}}}', f'{{"user":"{long}"}}', '{"user":' + "9" * 5000 + "}", deep]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    mapped = rated("jsonl")
    assert ids(mapped) == [("a", "1")] and mapped.count() == len(lines)


def test_a_line_of_many_separators_does_not_end_the_night(rated, tmp_path):
    (tmp_path / "log.csv").write_text(f"user,item,stars,at\n{',' * 50_000}\na,x,5,{AT}\n")
    mapped = rated()
    assert ids(mapped) == [("a", "x")] and reasons(mapped) == ["unreadable record: more than 100 fields instead of 4"]


def test_a_colon_in_a_files_name_is_an_input_error_with_the_file(rated, tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log/2025-03-13T10:00:00.jsonl").write_text(f'{{"user":"a","item":"1","stars":5,"at":"{AT}"}}\n')
    for path in ("log", "log/*.jsonl", "log/2025-03-13T10:00:00.jsonl"):
        with pytest.raises(InputError, match="colon") as caught:
            rated("jsonl", path)
        assert "2025-03-13T10:00:00.jsonl" in caught.value.found and "rename" in caught.value.hint


@pytest.mark.parametrize("name", ["a[1].csv", "b c.csv", "50%.csv", "音乐.csv", "{x}.csv", "a+b&c.csv", "q?.csv"])
def test_any_other_character_may_stand_in_a_files_name(rated, tmp_path, name):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / name).write_text(f"user,item,stars,at\na,x,5,{AT}\n")
    assert ids(rated(path="log")) == ids(rated(path="log/*")) == [("a", "x")]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("path", ["log", "log/*"])
def test_hidden_and_empty_files_are_passed_over(rated, tmp_path, format, path):
    (tmp_path / "log").mkdir()
    for name in ("_SUCCESS", ".part-0.crc", "_metadata", "part-1"):
        (tmp_path / "log" / name).write_bytes(b"" if name in ("_SUCCESS", "part-1") else b"noise\n")
    rows = frame(["a"], ["x"])
    part = tmp_path / "log/part-0"
    if format == "csv":
        rows.to_csv(part, index=False)
        (tmp_path / "log/part-2").write_text("user,item,stars,at\n")  # a header alone
    elif format == "jsonl":
        rows.to_json(part, orient="records", lines=True)
    else:
        rows.to_parquet(part)
    assert ids(rated(format, path)) == [("a", "x")]


def test_the_id_of_mongoexport(items, tmp_path):
    (tmp_path / "items.jsonl").write_text('{"_id":"1","title":"a"}\n{"_id":{"$oid":"5f"},"title":"b"}\n')
    assert {key: title for key, (title, *_) in items("jsonl", id="get_json_object(_id, '$.$oid')")[0].items()} == {
        "5f": "b"
    }
    (tmp_path / "items.jsonl").write_text('{"_id":"1","title":"a"}\n')
    assert set(items("jsonl", id="_id")[0]) == {"1"}


@pytest.mark.parametrize(
    "name", ["_user_id", "_where", "source_file", "_corrupt_record", "_metadata", "_digest_a", "state"]
)
def test_columns_may_have_any_name(rated, tmp_path, name):
    (tmp_path / "log.jsonl").write_text(json.dumps({name: "a", "item": "x", "stars": 5, "at": AT}) + "\n")
    frame(["b"], ["y"]).rename(columns={"user": name}).to_csv(tmp_path / "log.csv", index=False)
    assert ids(rated("jsonl", user_id=name)) == [("a", "x")] and ids(rated(user_id=name)) == [("b", "y")]


def test_hour_folders_are_read_where_the_settings_say_so(rated, tmp_path, caplog):
    folder = tmp_path / "ds=2025-03-13/10"
    folder.mkdir(parents=True)
    line = f'{{"user":"a","item":"1","stars":5,"at":"{AT}"}}\n'
    (folder / "part.jsonl").write_text(line)
    with pytest.raises(InputError, match="sub-folders") as caught:
        rated("jsonl", "ds=2025-03-13")
    assert "recursive = true" in caught.value.hint
    assert ids(rated("jsonl", "ds=2025-03-13", recursive=True)) == [("a", "1")]
    (folder.parent / "b.jsonl").write_text(line.replace('"a"', '"b"'))
    with caplog.at_level(logging.WARNING, "bgmrec"):
        assert ids(rated("jsonl", "ds=2025-03-13")) == [("b", "1")]
    assert "/10" in caplog.text and "1 lines in 1 files" in caplog.text


def test_folders_named_by_a_key_give_a_column(rated, tmp_path):
    for hour in ("09", "10"):
        (tmp_path / f"log/hour={hour}").mkdir(parents=True)
        frame([f"u{hour}"], ["x"]).to_parquet(tmp_path / f"log/hour={hour}/part.parquet")
    assert ids(rated("parquet", "log", item_id="hour")) == [("u09", "09"), ("u10", "10")]


def test_tags_in_brackets_that_are_no_json_are_tags(items, tmp_path):
    lines = ["[live] session, pop", "[live]", '["pop","rock"]', '["pop","ro', "[]"]
    records = [json.dumps({"id": str(n), "tags": line}) for n, line in enumerate(lines)]
    (tmp_path / "items.jsonl").write_text("\n".join(records))
    tags = {key: tags for key, (_, tags, _) in items("jsonl")[0].items()}
    assert tags == {"0": ["[live] session", "pop"], "1": ["[live]"], "2": ["pop", "rock"], "3": None, "4": []}


def test_lists_of_structs_are_malformed_lists(spark, items, tmp_path):
    table = pa.table({"id": [1], "title": ["a"], "tags": [[{"name": "rock"}]], "year": [1.0]})
    pq.write_table(table, tmp_path / "items.parquet")
    assert items("parquet")[0] == {"1": ("a", None, 1)}
    (tmp_path / "items.jsonl").write_text('{"id":1,"title":"a","tags":[{"name":"rock"}],"year":1}\n')
    assert items("jsonl")[0] == {"1": ("a", None, 1)}


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("log.csv.gz", gzip.compress),
        ("log.csv.bz2", bz2.compress),
        ("log.csv.xz", lzma.compress),
        ("log.csv.zst", lambda content: pa.compress(content, "zstd", asbytes=True)),
        ("log.csv", gzip.compress),
    ],
)
def test_compressed_files_are_read_or_named(rated, tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(f'user,item,stars,at\na,"x\n2",5,{AT}\n'.encode()))
    if name.endswith(("gz", "bz2")):
        assert ids(rated(path=name)) == [("a", "x\n2")]
    else:
        with pytest.raises(InputError, match=r"compressed|cannot be read") as caught:
            rated(path=name)
        assert caught.value.where.endswith(name) and "gzip" in caught.value.hint + caught.value.found


def test_torn_and_foreign_rows_beside_quoted_line_breaks(rated, tmp_path):
    rows = [f'a,"x\ny",5,{AT}', "b,2", f"Jos\xe9,3,5,{AT}", f'c,"""q""",5,{AT}', f"d,e,f,g,{AT}", f"e,z,1,{AT}"]
    (tmp_path / "log.csv").write_bytes("\r\n".join(["user,item,stars,at", *rows]).encode("latin-1"))
    mapped = rated()
    assert ids(mapped) == [("a", "x\ny"), ("c", '"q"'), ("e", "z")]
    assert [reason.partition(":")[2].strip() for reason in reasons(mapped)] == [
        *("", "2 fields instead of 4", "5 fields instead of 4")
    ]


# ---- times


@pytest.fixture
def night(spark, tmp_path):
    """`rated_at` → runs the stage over epoch times, all of one day, in seconds (`s`) and milliseconds (`ms`)."""

    def ingest(rated_at: str, ds: str = "2025-03-14") -> dict[str, Any]:
        at = 1741860000
        rows = "".join(f"u{n},i{n},5,{at + n},{(at + n) * 1000},{(at + n) * 10**9}\n" for n in range(20))
        (tmp_path / "log.csv").write_text("user,item,stars,s,ms,ns\n" + rows)
        source = {**LOG, "format": "csv", "paths": ["{data}/log.csv"], "rated_at": rated_at}
        overlay = {"paths": {"data": str(tmp_path), "root": str(tmp_path / "root")}, "ratings": {"sources": [source]}}
        run = Run(Settings.model_validate(overlay), date.fromisoformat(ds), spark, Progress(live=False), Summary())
        ingest_ratings.stage(run)
        return run.summary.facts["ingest_ratings"]

    return ingest


@pytest.mark.parametrize(
    ("rated_at", "cause"),
    [
        ("timestamp_millis(cast(s as bigint))", "seconds read as milliseconds"),
        ("timestamp_micros(cast(s as bigint))", "seconds read as microseconds"),
        ("timestamp_micros(cast(ms as bigint))", "milliseconds read as microseconds"),
        ("timestamp_seconds(cast(ms as bigint))", "milliseconds read as seconds"),
        ("timestamp_micros(cast(ns as bigint))", "nanoseconds read as microseconds"),
    ],
)
def test_a_misread_unit_ends_the_night_and_is_named(night, rated_at, cause):
    with pytest.raises(InputError) as caught:
        night(rated_at)
    assert cause in caught.value.hint and caught.value.where == "ratings.sources.log.rated_at"


def test_a_misread_unit_in_an_earlier_day_of_the_window_ends_the_night(spark, tmp_path):
    for day, factor in (("13", 1), ("14", 1000)):  # the unit changed: the day before has seconds
        rows = "".join(f"u{n},i{n},5,{(1741860000 + n) * factor}\n" for n in range(20))
        (tmp_path / f"log-2025-03-{day}.csv").write_text("user,item,stars,at\n" + rows)
    source = {**LOG, "format": "csv", "paths": ["{data}/log-{ds}.csv"], "lookback_days": 2}
    source["rated_at"] = "timestamp_millis(cast(at as bigint))"
    overlay = {"paths": {"data": str(tmp_path), "root": str(tmp_path / "root")}, "ratings": {"sources": [source]}}
    run = Run(Settings.model_validate(overlay), date(2025, 3, 14), spark, Progress(live=False), Summary())
    with pytest.raises(InputError) as caught:
        ingest_ratings.stage(run)
    assert "20 of 40 times" in caught.value.found and "seconds read as milliseconds" in caught.value.hint


def test_a_time_that_overflows_is_an_input_error(night):
    with pytest.raises(InputError, match="an expression fails on a value") as caught:
        night("timestamp_seconds(cast(ns as bigint))")
    assert "timestamp_seconds" in caught.value.hint


def test_old_times_without_a_misread_unit_are_a_warning(night, caplog):
    with caplog.at_level(logging.WARNING, "bgmrec"):
        assert night("timestamp_seconds(cast(s as bigint) - 30 * 365 * 86400)")["kept"] == 20
    assert "decades before the date" in caplog.text
