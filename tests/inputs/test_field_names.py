"""A field may have any name that the settings accept, also one of bgmrec's columns in other tables."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from bgmrec.config import Settings
from bgmrec.config.combinations import OWN_COLUMNS
from bgmrec.ingest.frontier import ids_without_side_info
from bgmrec.recommend.candidates import eligible_items
from bgmrec.recommend.lists import users_with_side_information
from bgmrec.report.facts.data import field_coverage, ratings_per
from bgmrec.report.facts.field_slices import field_values
from bgmrec.report.facts.item_names import item_names
from bgmrec.report.facts.people import as_table, profiles
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.stages import build_features, ingest_ratings, ingest_side_info
from bgmrec.storage import columns as c
from bgmrec.study.runner import permute_side_information

OTHERS = {"id", "n", "word", "words", "uses", "first_seen", "count", "group", "group_idx", "title", "label", "url"}
OTHERS |= {"ratings", "value", "values", "day", "ds_", "date", "select", "where", "null", "weight", "Rating"}
CONSTANTS = {value for name, value in vars(c).items() if name.isupper()}
NAMES = {
    side: sorted({name.lower(): name for name in CONSTANTS | OTHERS if name.lower() not in own}.values())
    for side, own in OWN_COLUMNS.items()
}


def entity(side: str, id_column: str) -> dict:
    source = {"name": "crawl", "format": "jsonl", "paths": ["{data}/" + f"{side}.jsonl"], "id": "entity"}
    fields = [{"name": name, "type": "string", "expression": "x"} for name in NAMES[side]]
    return {"sources": [source], "fields": fields}


@pytest.fixture(scope="module")
def run(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    rows = [f"u{n},m{n % 3},{n % 5 + 1},2024-03-0{n % 2 + 1} 10:00:00" for n in range(9)]
    (folder / "log.csv").write_text("\n".join(["user_id,item_id,stars,at", *rows]))
    for side, prefix in (("users", "u"), ("items", "m")):
        lines = [f'{{"entity": "{prefix}{n}", "x": "x{n}"}}' for n in range(3)]
        (folder / f"{side}.jsonl").write_text("\n".join(lines))
    log = {"name": "log", "format": "csv", "paths": ["{data}/log.csv"], "rating": "stars", "rated_at": "at"}
    document = {
        "paths": {"data": str(folder), "root": str(folder / "root")},
        "ratings": {"sources": [log]},
        "users": entity("users", c.USER_ID),
        "items": entity("items", c.ITEM_ID),
        "user_features": {"features": [{"field": name, "kind": "one_hot"} for name in NAMES["users"]]},
        "item_features": {
            "features": [{"field": name, "kind": "one_hot"} for name in NAMES["items"]],
            "document": {"fields": NAMES["items"], "min_documents": 1, "max_document_share": 1.0},
        },
        "report": {"title_field": "title", "label_fields": ["label", "source"], "group_field": "group"},
    }
    run = Run(Settings.model_validate(document), date(2024, 3, 2), spark, Progress(), Summary())
    for stage in (ingest_ratings, ingest_side_info, build_features):
        stage.stage(run)
    return run


@pytest.mark.parametrize("side", NAMES)
def test_the_tables_have_the_fields(run, side):
    table = run.work.read(side)
    assert table.columns[1:] == [field.name for field in getattr(run.settings, side).fields]
    assert {row["x"] for row in table.selectExpr("`source` as x").collect()} == {"x0", "x1", "x2"}


@pytest.mark.parametrize("side", ["user", "item"])
def test_every_field_is_a_feature(run, side):
    fitted = run.work.document("fitted_features")[f"{side}_features"]
    assert [feature["field"] for feature in fitted] == NAMES[f"{side}s"]
    assert all(set(feature["vocabulary"]) <= {"x0", "x1", "x2"} and feature["vocabulary"] for feature in fitted)


def test_a_field_limits_lists_whatever_columns_they_have(run):
    items, index = run.work.read("items"), run.work.read("item_index")
    for name in ("user_id", "group_idx", "value", "count"):
        assert len({row.group_idx for row in eligible_items(index, items=items, field=name).collect()}) == 3


def test_reports_and_the_frontier_read_every_field(run):
    users, items, ratings = (run.work.read(name) for name in ("users", "items", "ratings"))
    names = {
        row.title: (row.label, row.group)
        for row in item_names(items, run.work.read("item_index"), run.settings.report).collect()
    }
    assert names["x1"] == ("x1 · x1", "x1")
    for side, entities, id_column in (("users", users, c.USER_ID), ("items", items, c.ITEM_ID)):
        counts = ratings_per(ratings, id_column)
        assert set(field_coverage(entities, id_column, counts)) == set(NAMES[side])
        assert ids_without_side_info(ratings, entities, id_column, NAMES[side]).count() == counts.count() - 3
    values = field_values(items, run.work.read("item_index"), c.ITEM_IDX, np.array([0, 1]), NAMES["items"])
    assert list(values.columns) == NAMES["items"] and not values.isna().to_numpy().any()
    assert set(profiles(users, as_table(["u1"], users, c.USER_ID))["u1"]) == set(NAMES["users"])


def test_lists_and_studies_read_the_tables(run):
    with_side_information = users_with_side_information(run, run.scratch("names"), run.work.read("user_index"), 2)
    assert with_side_information is not None
    permute_side_information(run)
    assert sorted(row["source"] for row in run.work.read("items").collect()) == ["x0", "x1", "x2"]
