"""Sources that store pseudonyms: no raw id is written below paths.root, into a message or into a log."""

from __future__ import annotations

import gzip
import json
import re
import traceback
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from bgmrec.config import Settings
from bgmrec.errors import InputError, SettingsError
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.pseudonyms import KEY_VARIABLE, pseudonymizer
from bgmrec.runtime.sql_functions import register_functions
from bgmrec.stages import crawl_frontier, ingest_ratings, ingest_side_info

KEY = "a key of the tests, long enough"
DS = date(2024, 3, 2)
RAW = re.compile(r"rawid\w*")  # every id in the files of these tests begins with it
LOG = {
    "name": "log",
    "format": "csv",
    "paths": ["{data}/log.csv"],
    "user_id": "pseudonym(user)",
    "item_id": "music",
    "rating": "stars",
    "weight": "w",
    "rated_at": "at",
}
HEADER = "user,music,stars,w,at"
# a row of every reason, and one that is kept
ROWS = {
    "": "rawid00,m1,5,1,2024-03-01 10:00:00",
    "unreadable record: 6 fields instead of 5": "rawid01,m1,5,1,2024-03-01 10:00:00,rawid02",
    "missing user id": ",m1,5,1,2024-03-01 10:00:00",
    "unknown item": "rawid03,0,5,1,2024-03-01 10:00:00",
    "missing item id": "rawid04,,5,1,2024-03-01 10:00:00",
    "unparsable time": "rawid05,m1,5,1,yesterday",
    "time out of range": "rawid06,m1,5,1,0001-01-01 00:00:00",
    "rating not a number": "rawid07,m1,five,1,2024-03-01 10:00:00",
    "rating out of range": "rawid08,m1,9,1,2024-03-01 10:00:00",
    "bad weight": "rawid09,m1,5,-1,2024-03-01 10:00:00",
}
UPLOADS = {"name": "uploads", "format": "jsonl", "paths": ["{data}/items.jsonl"], "id": "id"}
PROFILES = {"name": "profiles", "format": "jsonl", "paths": ["{data}/users.jsonl"], "id": "pseudonym(account)"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch, spark: SparkSession):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    register_functions(spark)
    yield pseudonymizer(KEY)
    monkeypatch.delenv(KEY_VARIABLE)
    register_functions(spark)


def make_run(spark: SparkSession, folder: Path, **sections: Any) -> Run:
    document = {
        "paths": {"data": str(folder), "root": str(folder / "root")},
        "ratings": {"sources": [LOG], "minimum": 1, "maximum": 5, "unknown_items": ["0"], "max_reject_share": 1.0},
        **sections,
    }
    return Run(Settings.model_validate(document), DS, spark, Progress(), Summary())


def ratings(source: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"sources": [source], "minimum": 1, "maximum": 5, "unknown_items": ["0"], "max_reject_share": 1.0, **more}


def put(folder: Path, name: str, *lines: str) -> None:
    (folder / name).write_text("\n".join(lines) + "\n")


def stored(root: Path) -> set[str]:
    """The raw ids in the files below a folder, unpacked."""
    found: set[str] = set()
    for path in root.rglob("*"):
        if path.is_file():
            found.update(RAW.findall(_text(path)), RAW.findall(path.name))
    return found


def _text(path: Path) -> str:
    if path.suffix == ".parquet":
        return str(pq.read_table(path, partitioning=None).to_pylist())
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8", "replace")


def rejected(run: Run, table: str = "rating_rejects") -> dict[str, str]:
    return {row.reason: row.record for row in run.work.read(table).collect()}


def test_rejects_of_every_kind_hold_no_raw_id(spark, tmp_path, caplog, key):
    put(tmp_path, "log.csv", HEADER, *ROWS.values())
    put(
        tmp_path,
        "items.jsonl",
        '{"id": "m1", "uploader": "rawid10"}',
        '{"title": "no id", "uploader": "rawid11"}',
        '{"id": "m2", "uploader": "rawid12',
    )
    put(
        tmp_path,
        "users.jsonl",
        '{"account": "rawid13", "age": "old"}',
        '{"account": "  ", "page": "x"}',
        '{"account": "rawid14", ',
    )
    fields = [{"name": "uploader", "type": "string", "expression": "pseudonym(uploader)"}]
    sections = {
        "items": {"sources": [UPLOADS], "fields": fields, "max_reject_share": 1.0},
        "users": {"sources": [PROFILES], "fields": [{"name": "age", "type": "integer"}], "max_reject_share": 1.0},
    }
    run = make_run(spark, tmp_path, **sections)
    ingest_ratings.stage(run)
    ingest_side_info.stage(run)
    crawl_frontier.write_frontier(run)
    assert set(rejected(run)) == set(ROWS) - {""}
    assert set(rejected(run, "item_rejects")) == set(rejected(run, "user_rejects")) - {"missing user id"} | {
        "missing item id"
    }
    assert [row.user_id for row in run.work.read("ratings").collect()] == [key("rawid00")]
    assert [row.uploader for row in run.work.read("items").collect()] == [key("rawid10")]
    assert stored(tmp_path / "root") == set()
    assert not RAW.findall(json.dumps(run.summary.facts, default=str)) and not RAW.findall(caplog.text)


def test_a_redacted_record_still_shows_what_is_wrong(spark, tmp_path):
    put(tmp_path, "log.csv", HEADER, *ROWS.values())
    run = make_run(spark, tmp_path)
    ingest_ratings.stage(run)
    records = {reason: json.loads(record) for reason, record in rejected(run).items()}
    assert records["rating out of range"] == {
        "user": "[redacted]", "music": "m1", "stars": "9", "w": "1", "at": "2024-03-01 10:00:00"
    }  # fmt: skip
    assert "user" not in records["missing user id"]
    assert set(records["unreadable record: 6 fields instead of 5"].values()) == {"[redacted]"}


def test_the_error_about_too_many_rejects_holds_no_raw_id(spark, tmp_path):
    put(tmp_path, "log.csv", HEADER, *ROWS.values())
    run = make_run(spark, tmp_path, ratings=ratings(LOG, max_reject_share=0.1))
    with pytest.raises(InputError, match="9 of 10 rows were rejected") as caught:
        ingest_ratings.stage(run)
    assert not RAW.findall(str(caught.value))
    assert stored(tmp_path / "root") == set()


VIDEOS = {"name": "videos", "format": "csv", "paths": ["{data}/videos.csv"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": "coalesce(nullif(PSEUDONYM ( `user` ), ''), 'nobody')"},
        {"user_id": "`pseudonym`(user)"},
        {"user_id": "pseudonym/* keyed */(lower(trim(USER)))"},
        {"user_id": "concat('u', pseudonym(user)) as id"},
        {"user_id": "case when user is null then null else pseudonym(concat('x', user)) end"},
        {"user_id": "'all'", "item_id": "concat(music, pseudonym(user))"},
        {"user_id": "'all'", "where": "pseudonym(user) <> 'x'"},
        {"user_id": "'all'", "weight": "if(pseudonym(user) = 'x', 0, -1)"},
        {"user_id": "uid", "joins": [{**VIDEOS, "on": ["pseudonym(user) = owner"], "select": ["owner as uid"]}]},
        {"user_id": "pseudonym(uid)", "joins": [{**VIDEOS, "on": ["user = account"], "select": ["account as uid"]}]},
    ],
    ids=["nested", "quoted", "comment", "alias", "case", "item", "where", "weight", "join key", "joined alias"],
)
def test_every_way_to_write_the_expression_redacts_its_columns(spark, tmp_path, key, changes):
    put(tmp_path, "log.csv", HEADER, *ROWS.values())
    put(tmp_path, "videos.csv", "owner,account", f"{key('rawid00')},rawid00", "y,rawid05")
    run = make_run(spark, tmp_path, ratings=ratings({**LOG, **changes}))
    with nullcontext() if "weight" not in changes else pytest.raises(InputError, match="no raw row became a rating"):
        ingest_ratings.stage(run)
    assert len(rejected(run)) >= 2
    assert stored(tmp_path / "root") == set()


def test_other_columns_that_carry_the_id_are_redacted_too(spark, tmp_path):
    records = [
        {"user": "rawid20", "page": "https://music.example/u/rawid20", "music": "m1", "stars": "9"},
        {"user": "rawid21", "page": {"of": ["rawid21"]}, "music": "m1", "stars": "9"},
    ]
    put(tmp_path, "log.jsonl", *map(json.dumps, records))
    source = {**LOG, "format": "jsonl", "paths": ["{data}/log.jsonl"], "rated_at": None, "weight": "1.0"}
    run = make_run(spark, tmp_path, ratings=ratings(source))
    with pytest.raises(InputError):
        ingest_ratings.stage(run)
    assert stored(tmp_path / "root") == set()


def test_lines_swallowed_by_a_lone_quote_are_redacted(spark, tmp_path):
    put(tmp_path, "log.csv", HEADER, 'rawid30,m1,5,1,"yesterday', "rawid31,m2,4,1,2024-03-01", 'rawid32,m2,4,1,x"')
    source = {**LOG, "options": {"multiLine": "true"}}
    run = make_run(spark, tmp_path, ratings=ratings(source))
    with pytest.raises(InputError):
        ingest_ratings.stage(run)
    assert rejected(run) and stored(tmp_path / "root") == set()


@pytest.mark.parametrize("struct", [False, True])
def test_parquet_records_are_redacted(spark, tmp_path, struct):
    row, user = (({"id": "rawid40"},), "user.id") if struct else (("rawid40",), "user")
    schema = f"user {'struct<id: string>' if struct else 'string'}, music string, stars double, at string"
    spark.createDataFrame([(*row, "m1", 9.0, "2024-03-01")], schema).write.parquet(str(tmp_path / "log"))
    source = {**LOG, "format": "parquet", "paths": ["{data}/log"], "user_id": f"pseudonym({user})", "weight": "1.0"}
    run = make_run(spark, tmp_path, ratings=ratings(source))
    with pytest.raises(InputError):
        ingest_ratings.stage(run)
    [record] = rejected(run).values()
    assert '"music":"m1"' in record and stored(tmp_path / "root") == set()


def test_a_source_with_pseudonyms_is_not_cached(spark, tmp_path):
    (tmp_path / "ds=2024-03-02").mkdir()
    put(tmp_path, "ds=2024-03-02/log.csv", HEADER, *ROWS.values())
    window = {"paths": ["{data}/ds={ds}"], "lookback_days": 2, "allow_missing_days": True}
    for expression in ("pseudonym(user)", "`pseudonym`(user)", "pseudonym/**/(user)"):
        run = make_run(spark, tmp_path, ratings=ratings({**LOG, **window, "user_id": expression}))
        ingest_ratings.stage(run)
        assert run.summary.facts["ingest_ratings"]["files_mapped"] == 0
    assert not list(tmp_path.glob("root/mapped/*/*"))
    assert stored(tmp_path / "root") == set()


def test_a_file_without_a_header_does_not_show_its_first_row_as_columns(spark, tmp_path):
    put(tmp_path, "log.csv", *ROWS.values())
    run = make_run(spark, tmp_path)
    with pytest.raises(SettingsError) as caught:
        ingest_ratings.stage(run)
    assert caught.value.where == "ratings.sources.log.item_id"
    assert not RAW.findall(str(caught.value)) and "columns" in caught.value.hint


def test_an_error_about_different_headers_holds_no_raw_id(spark, tmp_path, capfd):
    (tmp_path / "log.csv").mkdir()
    put(tmp_path, "log.csv/a.csv", HEADER, *ROWS.values())
    put(tmp_path, "log.csv/b.csv", *ROWS.values())
    with pytest.raises(InputError) as caught:
        ingest_ratings.stage(make_run(spark, tmp_path))
    _no_trace_of_ids(caught, capfd)


def test_an_expression_that_fails_on_a_value_does_not_show_it(spark, tmp_path, capfd):
    put(tmp_path, "log.csv", HEADER, *ROWS.values())
    source = {**LOG, "user_id": "pseudonym(user)", "weight": "raise_error(user)"}
    with pytest.raises(InputError, match="withheld") as caught:
        ingest_ratings.stage(make_run(spark, tmp_path, ratings=ratings(source)))
    _no_trace_of_ids(caught, capfd)


def _no_trace_of_ids(caught: pytest.ExceptionInfo[InputError], capfd: pytest.CaptureFixture[str]) -> None:
    shown = "".join(traceback.format_exception(caught.value)) + "".join(capfd.readouterr())
    assert not RAW.findall(shown)


def test_a_missing_key_is_an_error_before_any_row_is_read(spark, tmp_path, monkeypatch):
    put(tmp_path, "log.csv", HEADER, *ROWS.values())
    monkeypatch.setenv(KEY_VARIABLE, "short")
    with pytest.raises(SettingsError, match="need a key"):
        ingest_ratings.stage(make_run(spark, tmp_path))
