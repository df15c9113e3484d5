"""The ingest and feature stages over a small raw folder: what they write, and what stops them."""

from dataclasses import replace
from datetime import date

import pytest

from bgmrec.config import Settings
from bgmrec.errors import InputError
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress, logger
from bgmrec.stages import build_features, ingest_ratings, ingest_side_info
from bgmrec.storage.models import FACTS

STAGES = (ingest_ratings, ingest_side_info, build_features)
GOOD = [f"u{n},m{n % 3},{n % 5 + 1},2024-03-0{n % 2 + 1} 10:00:00" for n in range(18)]


def make_run(spark, folder, rows, **sections):
    (folder / "log.csv").write_text("\n".join(["user_id,item_id,stars,at", *rows]))
    (folder / "crawl.jsonl").write_text('{"id": "m0", "title": "Rain rain"}\n{"id": "new", "title": "Rain song"}\n')
    log = {"name": "log", "format": "csv", "paths": ["{data}/log.csv"], "rating": "stars", "rated_at": "at"}
    crawl = {"name": "crawl", "format": "jsonl", "paths": ["{data}/crawl.jsonl"], "id": "id"}
    document = {
        "paths": {"data": str(folder), "root": str(folder / "root")},
        "ratings": {"sources": [log], "minimum": 1, "maximum": 5, "max_reject_share": 0.1},
        "items": {"sources": [crawl], "fields": [{"name": "title", "type": "text"}]},
        "item_features": {"document": {"fields": ["title"], "min_documents": 1, "max_document_share": 1.0}},
        **sections,
    }
    return Run(Settings.model_validate(document), date(2024, 3, 2), spark, Progress(), Summary())


def test_the_run_up_to_features(spark, tmp_path):
    run = make_run(spark, tmp_path, [*GOOD, GOOD[0], "u1,m1,9,2024-03-01 10:00:00", ",m1,3,2024-03-01 10:00:00"])
    for module in STAGES:
        module.stage(run)
    facts = run.summary.facts
    assert {
        name: facts["ingest_ratings"][name] for name in ("rows_in", "kept", "rejected", "duplicate", "ratings")
    } == {
        "rows_in": 21,
        "kept": 18,
        "rejected": 2,
        "duplicate": 1,
        "ratings": 18,
    }
    assert sorted(row.reason for row in run.work.read("rating_rejects").collect()) == [
        "missing user id",
        "rating out of range",
    ]
    index = {row.item_id: row.item_idx for row in run.work.read("item_index").collect()}
    assert sorted(index) == ["m0", "m1", "m2", "new"]  # music that only the crawl knows is there too
    assert {(row.part, row["count"]) for row in run.work.read("ratings_split").groupBy("part").count().collect()} == {
        ("train", 9),
        ("valid", 9),
    }
    # m0 is the one described item with training ratings: "song" is only in the cold one's title
    assert run.work.read_json("fitted_features")["vocabulary"] == ["rain"]
    tokens = {row.idx: len(row.tokens) // 4 for row in run.work.read("item_tokens").collect()}
    assert tokens == {index["m0"]: 2, index["new"]: 1, index["m1"]: 0, index["m2"]: 0}
    assert not run.work.exists("ratings_mapped")


def test_a_run_with_a_cache_has_the_tables_of_one_without(spark, tmp_path):
    lines = {day: f"u{day},m1,4,2024-03-0{day} 10:00:00\nu{day},m9,7,2024-03-0{day}\nu1,m1" for day in (1, 2, 3)}
    for day, rows in lines.items():
        (tmp_path / f"ds=2024-03-0{day}").mkdir()
        (tmp_path / f"ds=2024-03-0{day}/log.csv").write_text(f"user_id,item_id,stars,at\n{rows}\n")
        record = f'{{"id": "m1", "title": "as of {day}", "at": "2024-03-0{day}"}}'
        (tmp_path / f"ds=2024-03-0{day}/crawl.jsonl").write_text(f'{record}\n{{"title": "{day}"}}\n')
    window = {"lookback_days": 3, "allow_missing_days": True}
    log = {"name": "log", "format": "csv", "paths": ["{data}/ds={ds}/log.csv"], "rating": "stars", "rated_at": "at"}
    crawl = {"name": "crawl", "format": "jsonl", "paths": ["{data}/ds={ds}/crawl.jsonl"], "id": "id"}
    ratings = {"sources": [{**log, **window}], "minimum": 1, "maximum": 5, "max_reject_share": 1.0}
    fields = [{"name": "title", "type": "text"}]
    items = {"sources": [{**crawl, **window, "fetched_at": "at"}], "fields": fields, "max_reject_share": 1.0}

    def ingest(root, day):
        run = make_run(spark, tmp_path, [], ratings=ratings, items=items)
        paths = run.settings.paths.model_copy(update={"root": str(tmp_path / root)})
        run = replace(run, settings=run.settings.model_copy(update={"paths": paths}), ds=date(2024, 3, day))
        for module in (ingest_ratings, ingest_side_info):
            module.stage(run)
        names = ("ratings", "rating_rejects", "items", "item_rejects")
        facts = run.summary.facts["ingest_ratings"], run.summary.facts["ingest_items"]
        return [sorted(run.work.read(name).collect()) for name in names], facts

    ingest("root", 2)
    tables, facts = ingest("root", 3)
    expected, of_all = ingest("another", 3)
    assert tables == expected
    for some, all_of_them in zip(facts, of_all, strict=True):
        assert (some.pop("files_mapped"), some.pop("files_cached")) == (1, 2)
        assert (all_of_them.pop("files_mapped"), all_of_them.pop("files_cached")) == (3, 0)
        assert some.pop("changes") and all_of_them.pop("changes") == []  # compared with the night before
    assert facts == of_all
    assert [facts[0][name] for name in ("kept", "rejected", "duplicate")] == [3, 4, 2]
    assert [facts[1][name] for name in ("kept", "rejected", "duplicate")] == [3, 3, 0]
    assert [row.title for row in tables[2]] == ["as of 3"]


def test_a_later_run_keeps_the_previous_indices(spark, tmp_path):
    run = make_run(spark, tmp_path, GOOD)
    for module in STAGES:
        module.stage(run)
    before = {row.item_id: row.item_idx for row in run.work.read("item_index").collect()}
    fitted = run.work.document("fitted_features")
    save_model(run, fitted)
    (tmp_path / "log.csv").write_text("user_id,item_id,stars,at\nu1,another,3,2024-03-01\nu2,m1,4,2024-03-01\n")
    ingest_ratings.stage(run)
    build_features.stage(run)
    after = {row.item_id: row.item_idx for row in run.work.read("item_index").collect()}
    assert after == {**before, "another": 4}
    assert run.summary.facts["build_features"]["item_index_new"] == 1
    # u1 and m1 alone would make another vocabulary; a warm start keeps the vocabulary of its encoders
    assert run.work.document("fitted_features") == fitted
    assert run.summary.facts["build_features"]["refitted"] is False


@pytest.mark.parametrize("change", [{"warm_runs": 6}, {"user_features": {"features": []}}])
def test_features_are_fitted_again_after_some_warm_runs_and_for_other_settings(spark, tmp_path, change):
    run = make_run(spark, tmp_path, GOOD)
    for module in STAGES:
        module.stage(run)
    settings = {**run.settings.model_dump(mode="json"), **{n: v for n, v in change.items() if n != "warm_runs"}}
    save_model(run, {"vocabulary": ["kept"]}, settings=settings, warm_runs=change.get("warm_runs", 0))
    build_features.stage(run)
    assert run.work.document("fitted_features")["vocabulary"] != ["kept"]
    assert run.summary.facts["build_features"]["refitted"] is True


def save_model(run, fitted, **facts):
    """An earlier night's model with this run's indices."""
    indices = {name: run.work.read(name) for name in ("user_index", "item_index")}
    facts = {**dict.fromkeys(FACTS), "settings": run.settings.model_dump(mode="json"), "warm_runs": 0, **facts}
    run.models.save("2023-01-01-001", indices, weights={}, documents={"fitted_features": fitted}, facts=facts)
    run.versions.tables.below("_manifests").write_json("2023-01-01", {"model": {"run_id": "2023-01-01-001"}})


def test_too_many_rejects_stop_the_run_and_are_written(spark, tmp_path):
    run = make_run(spark, tmp_path, [*GOOD, *(f"u{n},m1,9,2024-03-01" for n in range(3))])
    with pytest.raises(InputError, match=r"3 of 21 rows were rejected \(14.3%\)") as caught:
        ingest_ratings.stage(run)
    assert "3 × rating out of range in log" in caught.value.found
    assert not run.work.exists("ratings")
    assert run.work.read("rating_rejects").count() == 3


def test_a_run_without_ratings_counts_the_rows_by_state(spark, tmp_path):
    run = make_run(spark, tmp_path, ["u1,m1,3,2024-03-09"])
    with pytest.raises(InputError, match="no raw row became a rating") as caught:
        ingest_ratings.stage(run)
    assert "after_window 1" in caught.value.found


def test_only_held_out_ratings_are_an_error(spark, tmp_path):
    run = make_run(spark, tmp_path, ["u1,m1,3,2024-03-02 10:00:00"])
    ingest_ratings.stage(run)
    ingest_side_info.stage(run)
    with pytest.raises(InputError, match="there is no training rating"):
        build_features.stage(run)


def test_play_counts_given_as_preferences_are_warned_of(spark, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logger, "propagate", True)  # a job of another test may have taken it away
    for mode, warned in (("implicit", True), ("explicit", False)):
        run = make_run(spark, tmp_path, GOOD, factorize={"mode": mode})
        caplog.clear()
        ingest_ratings.stage(run)
        facts, texts = run.summary.facts["ingest_ratings"], [record.getMessage() for record in caplog.records]
        assert facts.get("preferences_above_1") == (14 if warned else None)
        assert any("ratings.sources" in text and "`weight`" in text for text in texts) is warned


def test_preferences_up_to_one_are_not_warned_of(spark, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logger, "propagate", True)  # a job of another test may have taken it away
    rows = [row.replace(f",{n % 5 + 1},", ",1,") for n, row in enumerate(GOOD)]
    run = make_run(spark, tmp_path, [*rows[:-1], GOOD[-1]], factorize={"mode": "implicit"})
    ingest_ratings.stage(run)
    assert run.summary.facts["ingest_ratings"]["preferences_above_1"] == 1
    assert not [record for record in caplog.records if "`weight`" in record.getMessage()]
