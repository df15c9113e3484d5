"""The generated world as Spark makes and writes it: the same rows for any partitions, raw files as they would come."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from bgmrec.config import load_settings
from bgmrec.config.runtime import WorldSettings
from bgmrec.errors import InputError
from bgmrec.runtime.command import arg_parser
from bgmrec.runtime.logs import Progress
from bgmrec.stages import generate_world as job
from bgmrec.synthetic import world as world_module
from bgmrec.synthetic.dirt import EVENT_DIRT, OUT_OF_RANGE
from bgmrec.synthetic.world import World, generate_world

SIZES = WorldSettings(users=300, items=120, events=6000, days=5, dirty_share=0.1)
TABLES = ("events", "videos", "user_crawls", "item_crawls", "true_users", "true_items")


def make(spark: SparkSession, seed: int = 4, **changes: int) -> World:
    return generate_world(spark, SIZES.model_copy(update=changes), seed)


@pytest.fixture(scope="module")
def events(spark: SparkSession) -> list[Row]:
    return make(spark).events.collect()


def rows(df: DataFrame) -> Counter[str]:
    return Counter(df.toJSON().collect())


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks of everything, so that there is something to spread over partitions."""
    monkeypatch.setattr(world_module, "EVENTS_PER_CHUNK", 1000)
    monkeypatch.setattr(world_module, "ENTITIES_PER_CHUNK", 50)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("name", TABLES)
def test_partitions_change_no_row(spark: SparkSession, name: str) -> None:
    one, four = (getattr(make(spark, partitions=partitions), name) for partitions in (1, 4))
    assert one.rdd.getNumPartitions() < four.rdd.getNumPartitions()
    assert rows(one) == rows(four)


def test_neither_do_chunks_and_another_seed_changes_all(
    spark: SparkSession, events: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_module, "EVENTS_PER_CHUNK", 777)
    lines = Counter(row.line for row in events)
    assert Counter(row.line for row in make(spark).events.select("line").collect()) == lines
    other = Counter(row.line for row in make(spark, seed=5).events.select("line").collect())
    assert sum((other & lines).values()) < len(events) // 100


def test_a_clean_line_says_what_happened(events: list[Row]) -> None:
    clean = [row for row in events if row.dirt == ""]
    assert len(clean) > 5000
    for row in clean:
        logged = json.loads(row.line)
        second = datetime.fromisoformat(logged["time"]) - datetime.fromisoformat(f"{row.ds}T00:00:00Z")
        assert second.total_seconds() == row.second
        assert (logged["user_id"], logged["video_id"]) == (f"u{row.user_idx:08d}", f"v{row.video:09d}")
        assert logged["event"] == ("play" if row.rating is None else "rate")
        assert logged.get("rating") == row.rating
        assert 0 <= logged["play_ms"] <= logged["duration_ms"]


def is_broken(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return True
    return False


def is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def test_every_dirty_row_is_wrong_in_its_way_and_no_other(events: list[Row]) -> None:
    twice = {line for line, count in Counter(row.line for row in events).items() if count == 2}
    found = Counter()
    for row in events:
        broken = is_broken(row.line)
        logged = {} if broken else json.loads(row.line)
        wrong = {
            "missing_user": not broken and not logged.get("user_id"),
            "missing_video": not broken and not logged.get("video_id"),
            "bad_time": not broken and not is_time(logged["time"]),
            "rating_out_of_range": logged.get("rating") in OUT_OF_RANGE,
            "rating_nan": logged.get("rating") == "NaN",
            "unknown_music": not broken and logged.get("video_id", "") >= "v000000480",  # 120 items × 4
            "broken_json": broken,
            "duplicate": row.line in twice,
        }
        assert [kind for kind, is_wrong in wrong.items() if is_wrong] == ([row.dirt] if row.dirt else [])
        assert row.dirt in ("", "broken_json") or logged["event"] == "rate"
        found[row.dirt] += 1
    assert set(found) == set(EVENT_DIRT)


def test_the_videos_table_knows_the_music_of_every_clean_play(spark: SparkSession, events: list[Row]) -> None:
    music_of = {row.video_id: row.music_id for row in make(spark).videos.collect()}
    for row in events:
        if row.dirt == "":
            assert music_of[f"v{row.video:09d}"] == f"m{row.item_idx:07d}"
    unknown = Counter(music_of.get(f"v{row.video:09d}", "no row") for row in events if row.dirt == "unknown_music")
    assert set(unknown) == {"0", "", "no row"}


def test_the_written_truth_explains_the_ratings(spark: SparkSession, events: list[Row]) -> None:
    made = make(spark)
    users = {row.user_id: row for row in made.true_users.collect()}
    items = {row.item_id: row for row in made.true_items.collect()}
    rated = [row for row in events if row.dirt == "" and row.rating is not None]
    explained = []
    for row in rated:
        user, item = users[f"u{row.user_idx:08d}"], items[f"m{row.item_idx:07d}"]
        explained.append(0.75 * np.sqrt(8) * np.dot(user.latent, item.latent) + user.bias + item.bias)
    # noise .5, rounding and the ends of the scale are what is left
    assert np.corrcoef(explained, [row.rating for row in rated])[0, 1] > 0.8


def settings_for(out: Path, *more: str) -> list[str]:
    return [
        "--users",
        "100",
        "--items",
        "60",
        "--events",
        "2000",
        "--days",
        "3",
        "--seed",
        "9",
        "--out",
        str(out),
        *more,
    ]


def parser() -> ArgumentParser:
    """That of jobs/generate_world.py."""
    made = arg_parser("generate_world", None)
    job.add_arguments(made)
    return made


def test_the_job_writes_the_layout_and_replaces_a_world(spark: SparkSession, tmp_path: Path) -> None:
    settings = job.settings_of(parser().parse_args(settings_for(tmp_path / "w", "--first-day", "2024-02-28")))
    for _ in range(2):
        assert job.generate(spark, settings, Progress()) == "2024-03-01"
    out = tmp_path / "w"
    days = ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert [path.name for path in sorted((out / "events").glob("ds=*"))] == [f"ds={day}" for day in days]
    assert (out / "_SUCCESS").exists()
    assert json.loads((out / "world.json").read_text())["users"] == 100
    for part in ("crawl/users", "crawl/items"):
        assert [path.name for path in sorted((out / part).glob("date=*"))] == [f"date={day}" for day in days]
    lines = [line for path in (out / "events").rglob("part-*") for line in path.read_text().splitlines()]
    duplicates = sum(count - 1 for count in Counter(lines).values())
    assert len(lines) - duplicates == 2000
    assert spark.read.parquet(str(out / "truth/users")).count() == 100


def test_the_job_does_not_touch_a_folder_that_is_no_world(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    settings = job.settings_of(parser().parse_args(settings_for(tmp_path)))
    with pytest.raises(InputError, match="has other files"):
        job.generate(spark, settings, Progress())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_options_win_over_files_and_overrides() -> None:
    arguments = parser().parse_args(
        ["--config", "conf/demo.toml", "--set", "world.users=7", "--set", "world.items=9", "--users", "8"]
    )
    world = job.settings_of(arguments).world
    assert (world.users, world.items, world.events) == (8, 9, load_settings(["conf/demo.toml"]).world.events)
