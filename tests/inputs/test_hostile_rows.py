"""Hostile rows come out as they went in or as rejects, and every row is accounted for. More of them: make fuzz."""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config.sources import EntitySettings, RatingsSettings
from bgmrec.features.index import extend_index
from bgmrec.ingest.accounting import KEPT, STATE, STATES, count_states, rejects, summarize
from bgmrec.ingest.ratings import map_ratings
from bgmrec.ingest.side_info import map_entities, merge_entities
from bgmrec.publish.versions import Versions
from bgmrec.recommend import external
from bgmrec.storage import columns as c
from bgmrec.storage.schemas import entity_schema
from bgmrec.storage.tables import Tables
from tests.hostile import MEGABYTE, STRINGS, examples, strings, values

DS = date(2025, 1, 6)
KEYS = ("user", "item", "stars", "at")
IDS = (*STRINGS, MEGABYTE)
Record = dict[str, Any]


def source(**more: Any) -> Record:
    paths = ["{data}/log*"]
    mapped = {"user_id": "user", "item_id": "item", "rating": "stars", "rated_at": "to_timestamp(at)"}
    return {"name": "log", "paths": paths, **mapped, **more}


def row(user: object, item: object, stars: object = "5", at: object = "2025-01-05 10:00:00") -> Record:
    return dict(zip(KEYS, (user, item, stars, at), strict=True))


def ingest(spark: SparkSession, folder: str, **log: Any) -> tuple[DataFrame, dict[str, Any]]:
    settings = RatingsSettings(sources=[source(**log)], minimum=0, maximum=5)
    mapped = map_ratings(spark, settings, data=folder, ds=DS).cache()
    return mapped, summarize(count_states(mapped, rejects(mapped), ["log"]).collect())


def all_accounted(mapped: DataFrame, facts: dict[str, Any], rows_in: int) -> None:
    """Rows in = kept + rejects + duplicates + filtered + later, in the counts and in the table of rejects."""
    assert facts["rows_in"] == rows_in == sum(facts[state] for state in STATES)
    assert facts["rejected"] == rejects(mapped).count()


def as_ids(texts: Iterable[object]) -> set[str]:
    """Ids lose the spaces around them, and one of nothing else is none."""
    return {text.strip(" ") for text in texts if isinstance(text, str)} - {""}


def kept(mapped: DataFrame, column: str) -> set[str]:
    return {found[0] for found in mapped.where(f.col(STATE) == KEPT).select(column).distinct().collect()}


def lines(folder: str, records: Iterable[object]) -> None:
    (Path(folder) / "log.jsonl").write_text(
        "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    )


def test_hostile_ids_go_from_the_log_to_the_published_table(spark: SparkSession, tmp_path: Path) -> None:
    lines(str(tmp_path), [row(text, text) for text in IDS])
    mapped, facts = ingest(spark, str(tmp_path), format="jsonl")
    all_accounted(mapped, facts, len(IDS))
    ratings = mapped.where(f.col(STATE) == KEPT)
    users = extend_index(ratings, None, c.USER_ID, c.USER_IDX)
    items = extend_index(ratings, None, c.ITEM_ID, c.ITEM_IDX)
    lists = (
        ratings.join(users, c.USER_ID)
        .join(items, c.ITEM_ID)
        .select(
            c.USER_IDX, f.lit(1).alias(c.POSITION), c.ITEM_IDX, f.lit(1.0).alias(c.SCORE), f.lit("warm").alias(c.SOURCE)
        )
    )
    made = external.recommendations(lists, users, items, str(DS), "run")
    store = Versions(Tables(spark, str(tmp_path / "published")), None).stage(made, "recommendations", str(DS), "run")
    read = pd.read_parquet(store.removeprefix("file:"))
    assert set(read[c.USER_ID]) == set(read[c.ITEM_ID]) == as_ids(IDS)
    assert (read[c.USER_ID] == read[c.ITEM_ID]).all()


def test_csv_gives_back_what_a_csv_writer_wrote(spark: SparkSession, tmp_path: Path) -> None:
    # carriage returns and NUL are what CSV itself has no rule for
    texts = [text for text in IDS if "\r" not in text and "\x00" not in text]
    with (tmp_path / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, KEYS, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row(text, text) for text in texts)
    options = {"multiLine": "true", "escape": '"', "maxCharsPerColumn": "-1"}
    mapped, facts = ingest(spark, str(tmp_path), format="csv", options=options)
    all_accounted(mapped, facts, len(texts))
    assert kept(mapped, c.USER_ID) == as_ids(texts)


records = st.one_of(
    st.builds(row, values(), values(), values(), values()),
    st.builds(row, strings(), strings()),
    st.dictionaries(
        st.one_of(st.sampled_from([*KEYS, "User", "_user_id", "source_file", "digest_a"]), strings()), values()
    ),
    values().filter(lambda value: not isinstance(value, list)),  # a line that is a list holds its records
)


@examples(4)
@given(st.lists(records, min_size=1, max_size=60))
@example(
    [row("u", "i"), row("u", "i"), row("u", "i") | {"_user_id": 1, "source_file": 2, "`": 3, "USER": 4, "state": 5}]
)
@example([{"user": {"user": "u"}, "item": [1, 2], "stars": None, "at": 0}, 5, None, "text", {}])
@example([{"more": None}, {"more": "\0"}, {}])
def test_no_record_of_any_form_stops_a_log_or_is_lost(spark: SparkSession, log: list[object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines(folder, log)
        mapped, facts = ingest(spark, folder, format="jsonl")
        all_accounted(mapped, facts, len(log))
        mapped.unpersist()


@examples(4)
@given(st.lists(st.one_of(st.binary(max_size=60), strings().map(str.encode)), min_size=1, max_size=40))
def test_no_bytes_stop_a_log(spark: SparkSession, rows: list[bytes]) -> None:
    """Torn lines, binary, foreign encodings: a line is a row, unless there is nothing on it."""
    with tempfile.TemporaryDirectory() as folder:
        whole = json.dumps(row("u", "i")).encode()
        (Path(folder) / "log.jsonl").write_bytes(b"\n".join([whole, *rows]) + b"\n")
        mapped, facts = ingest(spark, folder, format="jsonl", columns=list(KEYS))
        assert facts["kept"] >= 1
        all_accounted(mapped, facts, facts["rows_in"])
        mapped.unpersist()


fields = [
    {"name": "title", "type": "text"},
    {"name": "genre", "type": "string"},
    {"name": "bpm", "type": "number", "minimum": 0},
    {"name": "uses", "type": "integer"},
    {"name": "live", "type": "boolean"},
    {"name": "released", "type": "timestamp"},
    {"name": "tags", "type": "list"},
    {"name": "audio", "type": "vector"},
]


@examples(3)
@given(
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"id": strings()}, optional={field["name"]: values() for field in fields}),
            st.dictionaries(
                st.one_of(st.sampled_from(["id", "_id", "title", "Title", "_fields"]), strings()), values()
            ),
            values().filter(lambda value: not isinstance(value, list)),
        ),
        min_size=1,
        max_size=40,
    )
)
@example([{"id": text, "title": text} for text in IDS])
@example([{"id": "i", "title": "t", "audio": ["loud"], "tags": [[1]]}, {"id": "j", "audio": "[1, ", "tags": '["x"]'}])
def test_no_record_of_side_information_stops_it_or_is_lost(spark: SparkSession, log: list[object]) -> None:
    described = {"name": "crawl", "format": "jsonl", "paths": ["{data}/log*"], "id": "id"}
    settings = EntitySettings(fields=fields, sources=[described])
    with tempfile.TemporaryDirectory() as folder:
        lines(folder, log)
        mapped = map_entities(spark, settings, c.ITEM_ID, data=folder, ds=DS).cache()
        all_accounted(mapped, summarize(count_states(mapped, rejects(mapped), ["crawl"]).collect()), len(log))
        made = Tables(spark, folder).write(
            merge_entities(mapped, settings, c.ITEM_ID), "items", entity_schema(c.ITEM_ID, settings.fields)
        )
        found = {entity[c.ITEM_ID]: entity["title"] for entity in made.collect()}
        told = Counter(r["id"].strip(" ") for r in log if isinstance(r, dict) and isinstance(r.get("id"), str))
        for record in log:
            if isinstance(record, dict) and isinstance(record.get("title"), str) and isinstance(record.get("id"), str):
                key = record["id"].strip(" ")
                if told[key] == 1 and key and record["title"].strip(" "):
                    assert found[key] == record["title"].strip(" ")
        mapped.unpersist()
