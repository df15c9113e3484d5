"""The world as DataFrames: raw event lines, videos, crawl dumps, and the latent truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config.runtime import WorldSettings
from bgmrec.synthetic.crawl import item_crawls, user_crawls
from bgmrec.synthetic.dirt import EVENT_DIRT, add_dirt, unknown_videos
from bgmrec.synthetic.music import characters, music
from bgmrec.synthetic.names import ITEM_ID_SQL, USER_ID_SQL, VIDEO_ID_SQL
from bgmrec.synthetic.people import people, tastes
from bgmrec.synthetic.plan import VIDEOS_PER_ITEM, WorldPlan
from bgmrec.synthetic.plays import plays

EVENTS_PER_CHUNK = 32_768  # attributes of a chunk's users and items are computed once
ENTITIES_PER_CHUNK = 5_000

_EVENT_NUMBERS = """user_idx long, item_idx long, video long, day long, second long, affinity double, rating double,
    play_ms long, duration_ms long, liked boolean, dirt long"""
_EVENT_COLUMNS = [column.split()[0] for column in _EVENT_NUMBERS.split(",")]
_TRUTH = "idx long, day long, bias double, latent array<double>"

Chunk = Callable[[WorldPlan, np.ndarray], pa.RecordBatch]


@dataclass(frozen=True)
class World:
    """The tables of a world; events, videos and crawls are raw, the truth is for tests and studies.

    Args:
        events: ds, line (JSON), and for tests the numbers in the line and the kind of dirt.
        videos: video_id, music_id ("0" or "" where the music is unknown).
        user_crawls: date, line (JSON).
        item_crawls: date, line (JSON).
        true_users: external id, day of arrival, rating bias, latent vector.
        true_items: the same of items.
    """

    events: DataFrame
    videos: DataFrame
    user_crawls: DataFrame
    item_crawls: DataFrame
    true_users: DataFrame
    true_items: DataFrame


def plan_of(world: WorldSettings, seed: int) -> WorldPlan:
    """The plan of a world.

    Args:
        world: `[world]`.
        seed: of all random numbers.
    """
    return WorldPlan(seed=seed, **world.model_dump(exclude={"partitions"}))


def generate_world(spark: SparkSession, world: WorldSettings, seed: int) -> World:
    """The tables of a world, lazily; each row depends on its id and the plan alone.

    Args:
        spark: the session.
        world: `[world]`.
        seed: of all random numbers.
    """
    plan = plan_of(world, seed)

    def table(total: int, size: int, chunk: Chunk, schema: str) -> DataFrame:
        return _chunked(spark, plan, total, size, chunk, schema, world.partitions)

    return World(
        events=_as_lines(table(plan.events, EVENTS_PER_CHUNK, _events, _EVENT_NUMBERS), plan),
        videos=_videos(spark, table(plan.items, ENTITIES_PER_CHUNK, _n_videos, "idx long, n_videos long"), plan),
        user_crawls=table(plan.users, ENTITIES_PER_CHUNK, _user_crawls, "date string, line string"),
        item_crawls=table(plan.items, ENTITIES_PER_CHUNK, _item_crawls, "date string, line string"),
        true_users=_with_id(table(plan.users, ENTITIES_PER_CHUNK, _true_users, _TRUTH), "user_id", USER_ID_SQL),
        true_items=_with_id(table(plan.items, ENTITIES_PER_CHUNK, _true_items, _TRUTH), "item_id", ITEM_ID_SQL),
    )


def _chunked(
    spark: SparkSession, plan: WorldPlan, total: int, size: int, chunk: Chunk, schema: str, partitions: int
) -> DataFrame:
    """Rows of ids 0..total-1 in chunks of `size` ids, which do not depend on the partitions."""

    def make(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield chunk(plan, np.arange(number * size, min(total, (number + 1) * size)))

    chunks = -(-total // size)
    return spark.range(0, chunks, 1, min(partitions, chunks)).mapInArrow(make, schema)


def _events(plan: WorldPlan, ids: np.ndarray) -> pa.RecordBatch:
    rows = add_dirt(plan, ids, plays(plan, ids))
    # a play without a rating has none in the log; "NaN" there is a dirty one
    not_a_number = rows["dirt"] == EVENT_DIRT.index("rating_nan")
    rating = pa.array(np.where(not_a_number, np.nan, rows["rating"]), mask=np.isnan(rows["rating"]))
    columns = {**{name: pa.array(values) for name, values in rows.items()}, "rating": rating}
    return pa.RecordBatch.from_pydict({name: columns[name] for name in _EVENT_COLUMNS})


def _n_videos(plan: WorldPlan, ids: np.ndarray) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"idx": ids, "n_videos": music(plan, ids).n_videos})


def _user_crawls(plan: WorldPlan, ids: np.ndarray) -> pa.RecordBatch:
    return _lines(user_crawls(plan, ids))


def _item_crawls(plan: WorldPlan, ids: np.ndarray) -> pa.RecordBatch:
    return _lines(item_crawls(plan, ids))


def _lines(rows: list[tuple[str, str]]) -> pa.RecordBatch:
    dates, lines = zip(*rows, strict=True) if rows else ((), ())
    return pa.RecordBatch.from_arrays([pa.array(dates, pa.string()), pa.array(lines, pa.string())], ["date", "line"])


def _true_users(plan: WorldPlan, ids: np.ndarray) -> pa.RecordBatch:
    latent, bias = tastes(plan, people(plan, ids))
    return _truth(ids, plan.user_arrivals.day_of(ids), bias, latent)


def _true_items(plan: WorldPlan, ids: np.ndarray) -> pa.RecordBatch:
    latent, bias = characters(plan, music(plan, ids))
    return _truth(ids, plan.item_arrivals.day_of(ids), bias, latent)


def _truth(ids: np.ndarray, days: np.ndarray, bias: np.ndarray, latent: np.ndarray) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"idx": ids, "day": days, "bias": bias, "latent": list(latent)})


def _with_id(truth: DataFrame, name: str, expression: str) -> DataFrame:
    return truth.select(f.expr(expression.format("idx")).alias(name), "day", "bias", "latent")


def _as_lines(events: DataFrame, plan: WorldPlan) -> DataFrame:
    """The JSON line of each event, and its numbers."""
    ds = f.date_add(f.lit(str(plan.first_day)).cast("date"), f.col("day").cast("int")).cast("string")
    kind = f.element_at(f.array(*map(f.lit, EVENT_DIRT)), (f.col("dirt") + 1).cast("int"))
    rows = events.withColumns({"ds": ds, "dirt": kind})
    line = f.to_json(f.struct(*(column.alias(name) for name, column in _fields().items())))
    broken = f.expr("left(line, cast(length(line) * 0.6 as int))")
    return rows.withColumn("line", line).withColumn(
        "line", f.when(f.col("dirt") == "broken_json", broken).otherwise(f.col("line"))
    )


def _fields() -> dict[str, Column]:
    """The fields of a line; null fields are omitted from the JSON."""
    dirty, odd = f.col("dirt"), f.col("second") % 2 == 1
    time = f.concat(
        f.col("ds"),
        f.lit("T"),
        _two("second div 3600"),
        f.lit(":"),
        _two("second div 60 % 60"),
        f.lit(":"),
        _two("second % 60"),
        f.lit("Z"),
    )
    missing = f.when(odd, f.lit(""))
    return {
        "user_id": f.when(dirty == "missing_user", missing).otherwise(f.expr(USER_ID_SQL.format("user_idx"))),
        "video_id": f.when(dirty == "missing_video", missing).otherwise(f.expr(VIDEO_ID_SQL.format("video"))),
        "event": f.when(f.col("rating").isNull(), "play").otherwise("rate"),
        "rating": f.col("rating"),
        "play_ms": f.col("play_ms"),
        "duration_ms": f.col("duration_ms"),
        "liked": f.col("liked"),
        "time": f.when(dirty == "bad_time", f.when(odd, "not a time").otherwise("2025-13-45T99:99:99Z")).otherwise(
            time
        ),
    }


def _two(expression: str) -> Column:
    return f.expr(f"lpad({expression}, 2, '0')")


def _videos(spark: SparkSession, numbers: DataFrame, plan: WorldPlan) -> DataFrame:
    """Every video with its music, and two thirds of the videos with unknown music."""
    with_music = numbers.select(
        f.explode(f.expr(f"transform(sequence(0, n_videos - 1), n -> idx * {VIDEOS_PER_ITEM} + n)")).alias("video"),
        f.expr(ITEM_ID_SQL.format("idx")).alias("music_id"),
    )
    without = [(int(video), ("0", "")[n % 3]) for n, video in enumerate(unknown_videos(plan)) if n % 3 < 2]
    unknown = spark.createDataFrame(without, "video long, music_id string")
    return with_music.unionByName(unknown).select(f.expr(VIDEO_ID_SQL.format("video")).alias("video_id"), "music_id")
