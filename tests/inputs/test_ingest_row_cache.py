"""The row cache gives the rows that the files give; files whose rows would change are mapped again."""

import gzip
import json
import os
from datetime import date

import pytest

from bgmrec.config.sources import EntitySettings, RatingsSettings
from bgmrec.errors import InputError
from bgmrec.ingest.ratings import map_ratings
from bgmrec.ingest.row_cache import RowCache
from bgmrec.ingest.side_info import count_problems, map_entities, merge_entities
from bgmrec.storage.tables import Tables

FIRST, SECOND, THIRD = (date(2024, 3, day) for day in (2, 3, 4))
LOG = {
    "name": "log",
    "paths": ["{data}/ds={ds}"],
    "lookback_days": 2,
    "allow_missing_days": True,
    "user_id": "user",
    "item_id": "item",
    "rating": "stars",
    "rated_at": "at",
}
CSV, JSONL = {**LOG, "format": "csv"}, {**LOG, "format": "jsonl"}
HEADER = "user,item,stars,at"
VIDEOS = {
    "name": "videos",
    "format": "csv",
    "paths": ["{data}/videos.csv"],
    "on": ["item = video"],
    "select": ["music"],
}
JOINED = {**CSV, "item_id": "music", "joins": [VIDEOS]}
CRAWL = {
    **{name: LOG[name] for name in ("paths", "lookback_days", "allow_missing_days")},
    "name": "crawl",
    "format": "jsonl",
    "id": "id",
    "fetched_at": "at",
}
FIELDS = [
    {"name": "title", "type": "text"},
    {"name": "bpm", "type": "number", "expression": "coalesce(bpm, tempo)"},
    {"name": "label", "type": "string"},
]


@pytest.fixture
def crawled(spark, tmp_path):
    """(source, date) → records and items with the cache, equal to those without; misses and hits."""

    def read(source, ds, fields=FIELDS):
        settings = EntitySettings(sources=[source], fields=fields)
        cache = RowCache(Tables(spark, str(tmp_path / "mapped")), ds)
        with_cache = map_entities(spark, settings, "item_id", data=str(tmp_path), ds=ds, cache=cache)
        without_cache = map_entities(spark, settings, "item_id", data=str(tmp_path), ds=ds)
        found = [told(made(with_cache)) for made in (lambda rows: rows, count_problems)]
        assert found == [told(made(without_cache)) for made in (lambda rows: rows, count_problems)]
        items = told(merge_entities(with_cache, settings, "item_id"))
        assert items == told(merge_entities(without_cache, settings, "item_id"))
        return found[0], items, (cache.n_misses, cache.n_hits)

    return read


@pytest.fixture
def ingested(spark, tmp_path):
    """(source, date, settings) → mapped rows with the cache, equal to those without; misses and hits."""

    def read(source, ds, **settings):
        checked = RatingsSettings(sources=[source], minimum=1, maximum=5, **settings)
        cache = RowCache(Tables(spark, str(tmp_path / "mapped")), ds)
        found = told(map_ratings(spark, checked, data=str(tmp_path), ds=ds, cache=cache))
        assert found == told(map_ratings(spark, checked, data=str(tmp_path), ds=ds))
        return found, (cache.n_misses, cache.n_hits)

    return read


def told(mapped):
    return sorted((tuple(row) for row in mapped.collect()), key=repr)


def states(found):
    return [row[2] for row in found]


def put(tmp_path, name, *lines):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    return path


def batches(tmp_path):
    return sorted(path.name for path in tmp_path.glob("mapped/*/*.json"))


def test_a_later_run_reads_the_new_files_alone(ingested, tmp_path, spark):
    rows = ["a,m1,4,2024-03-02 10:00:00", "a,m1,4,2024-03-02 10:00:00", "b,m1,9,2024-03-02", "c,m1"]
    old = put(tmp_path, "ds=2024-03-02/a.csv", HEADER, *rows)
    put(tmp_path, "ds=2024-03-02/_SUCCESS")
    put(tmp_path, "ds=2024-03-01/a.csv", HEADER, "z,m1,1,2024-03-01")
    assert ingested(CSV, FIRST)[1] == (2, 0)
    put(tmp_path, "ds=2024-03-03/a.csv", HEADER, "d,m2,3,2024-03-03 01:00:00")
    found, counts = ingested(CSV, SECOND)
    assert counts == (1, 1)
    assert sorted(states(found)) == ["kept", "kept", "kept", "rejected", "rejected"]
    assert batches(tmp_path) == ["2024-03-02-000.json", "2024-03-03-000.json"]
    changed = old.stat().st_mtime_ns
    old.write_text(old.read_text().replace("m1", "m7"))  # with the same size and time: is it read again?
    os.utime(old, ns=(changed, changed))
    settings = RatingsSettings(sources=[CSV], minimum=1, maximum=5)
    cache = RowCache(Tables(spark, str(tmp_path / "mapped")), SECOND)
    assert told(map_ratings(spark, settings, data=str(tmp_path), ds=SECOND, cache=cache)) == found
    assert (cache.n_misses, cache.n_hits) == (0, 2)


def test_a_row_after_the_logical_date_is_counted_by_a_later_run_kept_or_rejected(ingested, tmp_path):
    late = ["a,m1,4,2024-03-03 00:00:01", "b,m1,9,2024-03-03 00:00:01", "c,m1,5,2024-03-02 23:59:59"]
    put(tmp_path, "ds=2024-03-02/a.csv", HEADER, *late, "d,m1,5,0001-01-01 00:00:00")
    assert sorted(states(ingested(CSV, FIRST)[0])) == ["after_window", "after_window", "kept", "rejected"]
    found, counts = ingested(CSV, SECOND)
    assert (sorted(states(found)), counts) == (["kept", "kept", "rejected", "rejected"], (0, 1))


def test_a_changed_a_late_and_a_gone_file_are_seen(ingested, tmp_path):
    for name in "abc":
        put(tmp_path, f"ds=2024-03-02/{name}.csv", HEADER, f"{name},m1,1,2024-03-02")
    ingested(CSV, FIRST)
    put(tmp_path, "ds=2024-03-02/a.csv", HEADER, "a,m1,1,2024-03-02", "a,m2,1,2024-03-02")
    put(tmp_path, "ds=2024-03-02/late.csv", HEADER, "d,m1,5,2024-03-02")
    (tmp_path / "ds=2024-03-02/b.csv").unlink()
    found, counts = ingested(CSV, SECOND)
    assert sorted(row[5] for row in found) == ["a", "a", "c", "d"]
    assert counts == (2, 1)
    assert ingested(CSV, SECOND) == (found, (0, 3))


def test_files_whose_joined_rows_changed_are_mapped_again(ingested, tmp_path):
    for name, video in (("a", 1), ("b", 2), ("c", 3)):
        put(tmp_path, f"ds=2024-03-02/{name}.csv", HEADER, f"{name},{video},4,2024-03-02")
    put(tmp_path, "ds=2024-03-02/d.csv", HEADER, "d,,4,2024-03-02")  # no key: it finds nothing, whatever there is
    put(tmp_path, "videos.csv", "video,music", "1,m1", "2,m2", ",m0")
    assert sorted(states(ingested(JOINED, FIRST)[0])) == ["kept", "kept", "rejected", "rejected"]
    put(tmp_path, "videos.csv", "video,music", "2,m2", "1,m1", ",m0", "4,m4")  # says the same of these rows
    assert ingested(JOINED, SECOND)[1] == (0, 4)
    put(tmp_path, "videos.csv", "video,music", "1,m9", "2,m2", "3,m3")  # one is another, one is known at last
    found, counts = ingested(JOINED, SECOND)
    assert counts == (2, 2)
    assert sorted(str(row[6]) for row in found) == ["None", "m2", "m3", "m9"]
    put(tmp_path, "videos.csv", "video,music", "1,m9", "3,m3")  # one is gone
    assert ingested(JOINED, SECOND)[1] == (1, 3)


def test_columns_that_come_and_go_are_those_of_all_files(ingested, tmp_path):
    source = {**JSONL, "weight": "coalesce(device, '1')"}
    put(tmp_path, "ds=2024-03-02/a.jsonl", '{"user": 1, "item": 1, "stars": 9, "at": "2024-03-02"}')
    line = '{"item": 1, "stars": 9, "at": "2024-03-02", "user": 1}'
    put(tmp_path, "ds=2024-03-03/a.jsonl", line, '{"user": 1, "device": "phone"}')
    put(tmp_path, "ds=2024-03-04/a.jsonl", '{"user": 2, "item": 1}')
    for ds in (FIRST, SECOND, THIRD):
        found, _ = ingested(source, ds)
    assert batches(tmp_path) == [f"2024-03-0{day}-000.json" for day in (2, 3, 4)]
    records = [json.loads(row[4]) for row in found]
    assert {"user": "1", "device": "phone"} in records


def test_a_column_that_a_new_csv_file_lacks_is_empty_there(ingested, tmp_path):
    put(tmp_path, "ds=2024-03-02/a.csv", HEADER, "a,m1,4,2024-03-02")
    put(tmp_path, "ds=2024-03-03/a.csv", "at,item,user", "2024-03-03,m1,b")
    ingested(CSV, FIRST)
    assert ingested(CSV, SECOND)[1] == (1, 1)


def test_the_same_record_in_files_of_two_runs_is_a_duplicate(ingested, tmp_path):
    put(tmp_path, "ds=2024-03-02/a.jsonl", '{"user": "u", "item": 1, "stars": 4, "at": "2024-03-02"}')
    put(tmp_path, "ds=2024-03-03/a.jsonl", '{"stars": 4, "user": "u", "item": 1, "at": "2024-03-02", "extra": null}')
    ingested(JSONL, FIRST)
    found, counts = ingested(JSONL, SECOND)
    assert counts == (1, 1)
    assert found[0][10:12] == found[1][10:12]  # the digests


def test_other_settings_are_another_cache_key(ingested, tmp_path):
    put(tmp_path, "ds=2024-03-02/a.csv", HEADER, "a,m1,4,2024-03-02", "b,m2,4,2024-03-02")
    ingested(CSV, FIRST)
    assert ingested(CSV, FIRST)[1] == (0, 1)
    assert ingested({**CSV, "rating": "stars - 1"}, FIRST)[1] == (1, 0)
    assert ingested(CSV, FIRST, unknown_items=["m2"])[1] == (1, 0)
    assert ingested({**CSV, "options": {"nullValue": "m2"}}, FIRST)[1] == (1, 0)
    assert ingested({**CSV, "lookback_days": 3}, FIRST)[1] == (0, 1)  # which files are read, not how they are mapped


def test_files_with_odd_names_are_known_again(ingested, tmp_path):
    put(tmp_path, "ds=2024-03-02/a b%20ü+#1.csv", HEADER, "a,m1,4,2024-03-02")
    other = put(tmp_path, "ds=2024-03-02/b c%20ß?=2.csv", HEADER, "b,m1,4,2024-03-02")
    assert ingested(CSV, FIRST)[1] == (2, 0)
    assert ingested(CSV, SECOND)[1] == (0, 2)
    other.unlink()
    found, counts = ingested(CSV, SECOND)  # one file of the batch alone
    assert (len(found), counts) == (1, (0, 1))


def test_an_incomplete_batch_is_not_used(ingested, tmp_path):
    put(tmp_path, "ds=2024-03-02/a.csv", HEADER, "a,m1,4,2024-03-02")
    ingested(CSV, FIRST)
    [document] = tmp_path.glob("mapped/*/*.json")
    document.unlink()  # the run was killed before it
    assert ingested(CSV, FIRST)[1] == (1, 0)
    assert batches(tmp_path) == ["2024-03-02-000.json"]


def test_a_day_without_a_file_is_not_read_again_and_again(ingested, tmp_path):
    put(tmp_path, "ds=2024-03-01/_SUCCESS")
    put(tmp_path, "ds=2024-03-02/a.jsonl", '{"user": 1, "item": 1, "stars": 4, "at": "2024-03-02"}')
    assert ingested(JSONL, FIRST)[1] == (1, 0)
    assert ingested(JSONL, FIRST)[1] == (0, 1)
    assert batches(tmp_path) == ["2024-03-02-000.json"]


def test_a_batch_is_never_written_over_another(ingested, tmp_path):
    for name in "abc":
        put(tmp_path, f"ds=2024-03-02/{name}.csv", HEADER, f"{name},m1,4,2024-03-02")
        ingested(CSV, FIRST)
    [gone] = tmp_path.glob("mapped/*/2024-03-02-000.json")
    gone.unlink()
    found, counts = ingested(CSV, FIRST)
    assert (len(found), counts) == (3, (1, 2))
    assert batches(tmp_path) == [f"2024-03-02-00{number}.json" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    "source",
    [
        {**CSV, "cache_rows": False},
        {**CSV, "lookback_days": None},
        {**CSV, "where": "at < Current_Timestamp"},
        {**CSV, "weight": "rand (7)"},
    ],
    ids=["not wanted", "no window", "clock", "chance"],
)
def test_sources_that_are_not_cacheable_are_read_by_every_run(spark, tmp_path, source):
    put(tmp_path, "ds=2024-03-02/a.csv", HEADER, "a,m1,4,2024-03-02")
    for _ in range(2):
        cache = RowCache(Tables(spark, str(tmp_path / "mapped")), FIRST)
        settings = RatingsSettings(sources=[source])
        assert map_ratings(spark, settings, data=str(tmp_path), ds=FIRST, cache=cache).count() == 1
        assert (cache.n_misses, cache.n_hits) == (0, 0)
    assert batches(tmp_path) == []


def test_rows_with_unique_digests_are_not_cached(ingested, tmp_path, spark):
    put(tmp_path, "ds=2024-03-02/a.csv", HEADER, "a,m1,4,2024-03-02", "a,m1,4,2024-03-02")
    found, counts = ingested(CSV, FIRST, drop_exact_duplicates=False)
    assert (len(found), counts) == (2, (0, 0))


def test_names_that_differ_by_case_are_not_cached(ingested, tmp_path):
    put(tmp_path, "ds=2024-03-02/a.jsonl", '{"user": 1, "item": 1, "stars": 4, "at": "2024-03-02"}')
    ingested(JSONL, FIRST)
    put(tmp_path, "ds=2024-03-03/a.jsonl", '{"USER": 1, "item": 1, "stars": 4, "at": "2024-03-03"}')
    assert ingested(JSONL, SECOND)[1] == (0, 0)


def test_a_damaged_file_is_named_and_nothing_of_its_batch_counts(ingested, tmp_path):
    lines = "\n".join(f'{{"user": {n}}}' for n in range(10_000)).encode()
    put(tmp_path, "ds=2024-03-02/a.jsonl", '{"user": 1}')
    (tmp_path / "ds=2024-03-02/b.jsonl.gz").write_bytes(gzip.compress(lines)[:3000])
    with pytest.raises(InputError, match="raw files cannot be read") as caught:
        ingested({**JSONL, "columns": ["user", "item", "stars", "at"]}, FIRST)
    assert caught.value.where.endswith("/b.jsonl.gz")
    assert batches(tmp_path) == []


def test_a_later_run_reads_the_new_crawls_alone(crawled, tmp_path):
    records = [
        '{"id": 1, "title": "a", "at": "2024-03-02", "tempo": 90}',
        '{"title": "b"}',
        "{",
        '{"id": 2, "bpm": "x"}',
    ]
    put(tmp_path, "ds=2024-03-02/a.jsonl", *records)
    rows, items, counts = crawled(CRAWL, FIRST)
    assert (len(rows), items, counts) == (4, [("1", "a", 90.0, None), ("2", None, None, None)], (1, 0))
    put(tmp_path, "ds=2024-03-03/a.jsonl", '{"id": 1, "bpm": 120, "at": "2024-03-03", "mood": "calm"}')
    rows, items, counts = crawled(CRAWL, SECOND)
    assert (len(rows), items, counts) == (5, [("1", "a", 120.0, None), ("2", None, None, None)], (1, 1))
    assert crawled(CRAWL, SECOND) == (rows, items, (0, 2))
    assert crawled(CRAWL, FIRST)[2] == (0, 1)


def test_other_fields_are_another_cache_key(crawled, tmp_path):
    put(tmp_path, "ds=2024-03-02/a.jsonl", '{"id": 1, "title": "a", "tempo": 90}')
    crawled(CRAWL, FIRST)
    assert crawled(CRAWL, FIRST, [*FIELDS, {"name": "mood", "type": "text"}])[2] == (1, 0)
    assert crawled({**CRAWL, "fields": {"label": "title"}}, FIRST)[2] == (1, 0)
    assert crawled({**CRAWL, "fields": {"label": "cast(current_date() as string)"}}, FIRST)[2] == (0, 0)
    assert crawled(CRAWL, FIRST, [{**FIELDS[0], "expression": "user()"}])[2] == (0, 0)


def test_crawls_whose_joined_rows_changed_are_mapped_again(crawled, tmp_path):
    labels = {**VIDEOS, "name": "labels", "paths": ["{data}/labels.csv"], "on": ["id = track"], "select": ["label"]}
    source = {**CRAWL, "joins": [labels]}
    for name in (1, 2):
        put(tmp_path, f"ds=2024-03-02/{name}.jsonl", f'{{"id": {name}, "title": "t{name}"}}')
    put(tmp_path, "labels.csv", "track,label", "1,x")
    assert crawled(source, FIRST)[1] == [("1", "t1", None, "x"), ("2", "t2", None, None)]
    put(tmp_path, "labels.csv", "track,label", "1,x", "2,y", "3,z")
    assert crawled(source, FIRST)[1:] == ([("1", "t1", None, "x"), ("2", "t2", None, "y")], (1, 1))


def test_csv_crawls_are_cached_unless_an_expression_of_all_sources_lacks_a_column(crawled, tmp_path):
    csv = {**CRAWL, "format": "csv", "fetched_at": None}
    fields = [FIELDS[0], {"name": "mood", "type": "text", "expression": "coalesce(mood, 'none')"}]
    put(tmp_path, "ds=2024-03-02/a.csv", "id,title", "1,a")
    crawled(csv, FIRST, [FIELDS[0], FIELDS[2]])
    _, items, counts = crawled(csv, FIRST, fields)
    assert (items, counts) == ([("1", "a", None)], (0, 0))
    put(tmp_path, "ds=2024-03-03/a.csv", "id,title,mood,label", "2,b,calm,x")
    assert crawled(csv, SECOND, fields)[1:] == ([("1", "a", "none"), ("2", "b", "calm")], (0, 0))
    assert crawled(csv, SECOND, [FIELDS[0], FIELDS[2]])[1:] == ([("1", "a", None), ("2", "b", "x")], (1, 1))
