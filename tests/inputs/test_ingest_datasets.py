"""The import settings on the real public data: counts against shared/data's own description and plain pandas."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as f

from bgmrec.config import load_settings
from bgmrec.features.fitted import FittedFeatures
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.stages import build_features, ingest_ratings, ingest_side_info
from bgmrec.storage.arrays import INT, from_cell

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


def night(spark, root, config, data, ds, *overrides):
    """Runs the three stages before training."""
    if not data.is_dir():
        pytest.skip(f"{data} is not here: the data sets are not part of the project")
    settings = load_settings([ROOT / "conf" / config], [f"paths.data={data}", f"paths.root={root}", *overrides])
    run = Run(settings, date.fromisoformat(ds), spark, Progress(), Summary())
    for job in (ingest_ratings, ingest_side_info, build_features):
        job.stage(run)
    return run


@pytest.fixture(scope="module", autouse=True)
def generated_code(spark):
    """A million rows are worth the code that the other tests go without."""
    wanted = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
    before = {name: spark.conf.get(name) for name in wanted}
    for name, value in wanted.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.fixture(scope="module")
def kuairand(spark, tmp_path_factory):
    location = tmp_path_factory.mktemp("kuairand")
    return night(spark, location, "kuairand.toml", DATA / "kuairand-pure", "2022-05-08", "split.valid_days=4")


@pytest.fixture(scope="module")
def plays():
    """All interactions with their music, in pandas."""
    folder = DATA / "kuairand-pure"
    videos = pd.read_csv(folder / "video_features_basic_pure.csv", dtype=str)[["video_id", "music_id"]]
    log = pd.read_csv(folder / "log_standard_4_25_to_5_08_pure.csv", dtype=str)
    last50 = pd.read_csv(folder / "train_derived_4_08_to_4_24_last50_per_user.csv", dtype=str)
    assert (len(log), log.duplicated().sum()) == (228_329, 5_460)
    both = pd.concat([last50.assign(source="last50"), log.drop_duplicates().assign(source="log")])
    both["positive"] = (both.long_view == "1") | (both.is_like == "1")
    return both.merge(videos, on="video_id", how="left")


def test_kuairand_rows_add_up(kuairand, plays):
    facts = kuairand.summary.facts["ingest_ratings"]
    assert facts["rows_in"] == 228_329 + 817_187 and facts["duplicate"] == 5_460
    assert sum(facts["sources"]["log"].values()) == 228_329
    positive = plays[plays.positive]
    assert facts["filtered"] == (~plays.positive).sum()
    assert facts["reject_reasons"] == {"unknown item": (positive.music_id == "0").sum()}
    assert facts["kept"] == (positive.music_id != "0").sum()


def test_kuairand_ratings_are_the_positive_pairs_at_their_first_day(kuairand, plays):
    positive = plays[plays.positive & (plays.music_id != "0")]
    day = positive.date.fillna("00000000").groupby([positive.user_id, positive.music_id]).min()
    ratings = kuairand.work.read("ratings").select(
        "user_id", "item_id", f.coalesce(f.date_format("rated_at", "yyyyMMdd"), f.lit("00000000")).alias("day")
    )
    found = ratings.toPandas().set_index(["user_id", "item_id"]).day.sort_index()
    assert len(found) == len(day) and (found.to_numpy() == day.sort_index().to_numpy()).all()


def test_kuairand_test_targets_are_those_of_the_protocol(kuairand):
    valid = kuairand.work.read("ratings_split").where("part = 'valid'")
    # DATA.md, protocol B: the new positive pairs of 5 to 8 May, and the users that have one
    assert (valid.count(), valid.select("user_idx").distinct().count()) == (17_191, 9_709)


def test_kuairand_indexes_every_user_and_music_but_the_unknown_one(kuairand):
    facts = kuairand.summary.facts["build_features"]
    assert facts["user_index"] == 27_285
    assert facts["item_index"] == 7_202 - 1
    assert kuairand.summary.facts["ingest_items"]["filtered"] == 204


@pytest.fixture(scope="module")
def ml_1m(spark, tmp_path_factory):
    return night(spark, tmp_path_factory.mktemp("ml-1m"), "ml-1m.toml", DATA / "ml-1m", "2003-03-01")


def test_ml_1m_loses_no_rating(ml_1m):
    facts = ml_1m.summary.facts["ingest_ratings"]
    assert (facts["rows_in"], facts["ratings"]) == (1_000_209, 1_000_209)
    ratings = ml_1m.work.read("ratings")
    sums = ratings.agg(
        f.countDistinct("user_id"), f.countDistinct("item_id"), f.sum("rating"), f.count("rated_at")
    ).first()
    plain = pd.read_csv(DATA / "ml-1m" / "ratings.csv")
    assert tuple(sums) == (6_040, 3_706, plain.rating.sum(), plain.timestamp.notna().sum())


def test_ml_1m_titles_and_plots_come_through_whole(ml_1m):
    items = {row.item_id: row for row in ml_1m.work.read("items").collect()}
    assert len(items) == 3_883
    lines = (DATA / "ml-1m" / "movies_with_plots.dat").read_bytes().decode("utf-8").split("\r\n")
    plots = {parts[0]: parts[9].strip() for parts in (line.split("::") for line in lines if line)}
    assert len(plots) == 3_881
    expected = {film: None if plot == "N/A" else plot for film, plot in plots.items()}
    assert {film: items[film].plot for film in plots} == expected
    assert items["73"].title == "Les Misérables"
    assert items["1"].genres == ["Animation", "Children's", "Comedy"] and items["1"].year == 1995


def test_ml_1m_features_cover_everyone(ml_1m):
    fitted = ml_1m.work.read_json("fitted_features")
    for side, count in (("user_features", 6_040), ("item_features", 3_883)):
        cells = [from_cell(row.features) for row in ml_1m.work.read(side).collect()]
        matrix = np.stack(cells)
        assert matrix.shape == (count, FittedFeatures.from_json(fitted[side]).width) and np.isfinite(matrix).all()
    assert len(fitted["vocabulary"]) == 8_000 and "the" not in fitted["vocabulary"]
    tokens = [from_cell(row.tokens, dtype=INT) for row in ml_1m.work.read("item_tokens").collect()]
    assert len(tokens) == 3_883 and max(len(cell) for cell in tokens) <= 300
    assert (
        max(cell.max() for cell in tokens if len(cell)) == 8_000
        and min(cell.min() for cell in tokens if len(cell)) == 1
    )


def test_ml_1m_split_leaves_no_cold_validation_row(ml_1m):
    split = ml_1m.work.read("ratings_split").toPandas()
    train, valid = split[split.part == "train"], split[split.part == "valid"]
    assert len(split) == 1_000_209 and abs(len(valid) / len(split) - 0.1) < 0.005
    assert set(valid.user_idx) <= set(train.user_idx) and set(valid.item_idx) <= set(train.item_idx)
