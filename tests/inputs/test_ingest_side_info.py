"""Crawls of one entity are merged field by field; what is malformed or unknown is counted and never stops a night."""

import json
from datetime import date, datetime

import pytest

from bgmrec.config.sources import EntitySettings
from bgmrec.errors import SettingsError
from bgmrec.ingest.accounting import count_states, rejects, summarize
from bgmrec.ingest.side_info import count_problems, map_entities, merge_entities
from bgmrec.storage.schemas import conform, entity_schema

DS = date(2024, 3, 2)
CRAWL = {"name": "crawl", "format": "jsonl", "paths": ["{data}/crawl.jsonl"], "id": "id", "fetched_at": "at"}
FIELDS = [
    {"name": "title", "type": "text"},
    {"name": "tempo", "type": "number", "minimum": 20, "maximum": 300},
    {"name": "plays", "type": "integer"},
    {"name": "vocal", "type": "boolean"},
    {"name": "released", "type": "timestamp"},
    {"name": "tags", "type": "list"},
    {"name": "audio", "type": "vector"},
]


def ingest(spark, folder, records, sources=(CRAWL,), fields=FIELDS):
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (folder / "crawl.jsonl").write_text("\n".join(lines))
    settings = EntitySettings(sources=list(sources), fields=fields)
    mapped = map_entities(spark, settings, "item_id", data=str(folder), ds=DS).cache()
    schema = entity_schema("item_id", settings.fields)
    items = conform(merge_entities(mapped, settings, "item_id"), schema, "items")
    return mapped, {row.item_id: row for row in items.collect()}


def problems(mapped):
    return {(row.problem, row.field): row.rows for row in count_problems(mapped).collect()}


def test_fields_get_their_types_from_strings_lists_and_numbers(spark, tmp_path):
    records = [
        {"id": 1, "title": " Rain ", "tempo": "88.5", "plays": 12, "vocal": "true", "released": "2024-01-05"},
        {"id": 2, "tags": ["a", " b ", "a", None], "audio": [1, 2.5], "vocal": False, "plays": "12.0"},
        {"id": 3, "tags": "x, y,,x", "audio": "0.5, -1", "title": ""},
    ]
    mapped, items = ingest(spark, tmp_path, records)
    assert items["1"][1:6] == ("Rain", 88.5, 12, True, datetime(2024, 1, 5))
    assert (items["2"].tags, items["2"].audio, items["2"].vocal, items["2"].plays) == (
        ["a", "b"],
        [1.0, 2.5],
        False,
        12,
    )
    assert (items["3"].tags, items["3"].audio, items["3"].title) == (["x", "y"], [0.5, -1.0], None)
    assert problems(mapped) == {}


def test_malformed_values_become_null_and_are_counted_by_field(spark, tmp_path):
    records = [
        {"id": 1, "title": "kept", "tempo": "fast", "plays": "12.7", "vocal": "perhaps", "released": "0001-01-01"},
        {"id": 2, "tempo": 5000, "tags": '["a", ', "audio": [1, "x"], "plays": "many", "at": "yesterday"},
        {"id": 2, "at": "0001-01-01T00:00:00"},
    ]
    mapped, items = ingest(spark, tmp_path, records)
    assert tuple(items["1"]) == ("1", "kept", None, None, None, None, None, None)
    assert tuple(items["2"]) == ("2",) + (None,) * 7
    malformed = {field: n for (problem, field), n in problems(mapped).items() if problem == "malformed_fields"}
    counts = {"tempo": 2, "plays": 2, "vocal": 1, "released": 1, "tags": 1, "audio": 1, "fetched_at": 2}
    assert malformed == counts


def test_the_newest_crawl_wins_field_by_field(spark, tmp_path):
    records = [
        {"id": 1, "title": "newest", "tempo": None, "at": "2024-03-02T03:00:00"},
        {"id": 1, "title": "older", "tempo": 90, "plays": 7, "at": "2024-03-01T03:00:00"},
        {"id": 1, "title": "undated", "tempo": 60, "tags": ["only here"]},
        {"id": 1, "title": "oldest", "plays": 1, "tempo": "bad", "at": "2024-02-01T03:00:00"},
    ]
    for order in (records, records[::-1]):
        _, items = ingest(spark, tmp_path, order)
        assert items["1"][1:4] == ("newest", 90.0, 7) and items["1"].tags == ["only here"]


def test_at_equal_times_the_later_source_wins_and_its_own_expressions_apply(spark, tmp_path):
    (tmp_path / "label.csv").write_text("music,name,minutes\n1,From the label,2\n2,Second,x\n")
    label = {
        "name": "label",
        "format": "csv",
        "paths": ["{data}/label.csv"],
        "id": "music",
        "fields": {"title": "name", "plays": "minutes * 60"},
    }
    records = [{"id": 1, "title": "From the crawl", "tempo": 100, "plays": 1}]
    mapped, items = ingest(spark, tmp_path, records, sources=[CRAWL, label])
    assert items["1"][1:4] == ("From the label", 100.0, 120)
    assert items["2"].title == "Second" and items["2"].plays is None
    # the product of text is null before any type is looked at, so that nothing there is malformed
    assert problems(mapped) == {}


def test_unreadable_records_and_missing_ids_are_refused_and_unknown_fields_counted(spark, tmp_path):
    records = [
        {"id": 1, "colour": "red"},
        {"title": "no id", "colour": "blue"},
        '{"id": 2, ',
        {"id": 3, "mood": {"x": 1}},
    ]
    mapped, items = ingest(spark, tmp_path, records)
    assert sorted(items) == ["1", "3"]
    found = {row.reason: row.record for row in rejects(mapped).collect()}
    assert set(found) == {"missing item id", "unreadable record"}
    assert '"title":"no id"' in found["missing item id"]
    assert problems(mapped) == {("unknown_fields", "colour"): 1, ("unknown_fields", "mood"): 1}
    facts = summarize(count_states(mapped, rejects(mapped), ["crawl", "label"]).collect())
    assert (facts["rows_in"], facts["kept"], facts["rejected"]) == (4, 2, 2)


def test_where_leaves_records_out_that_describe_no_entity(spark, tmp_path):
    mapped, items = ingest(spark, tmp_path, [{"id": 0}, {"id": 1}], sources=[CRAWL | {"where": "id <> '0'"}])
    assert sorted(items) == ["1"]
    assert summarize(count_states(mapped, rejects(mapped), ["crawl", "label"]).collect())["filtered"] == 1


def test_an_own_expression_over_a_missing_csv_column_is_a_settings_error(spark, tmp_path):
    (tmp_path / "label.csv").write_text("music\n1\n")
    label = {
        "name": "label",
        "format": "csv",
        "paths": ["{data}/label.csv"],
        "id": "music",
        "fields": {"title": "name"},
    }
    with pytest.raises(SettingsError) as caught:
        ingest(spark, tmp_path, [], sources=[label])
    assert caught.value.where == "items.sources.label.fields.title"


def test_entities_without_fields_are_ids(spark, tmp_path):
    _, items = ingest(spark, tmp_path, [{"id": 7}, {"id": 7, "x": 1}], fields=[])
    assert [tuple(row) for row in items.values()] == [("7",)]
