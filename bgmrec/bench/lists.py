"""Benchmarks of the top-N lists, against MLlib and against implicit.

No job of its own: a part of benchmark.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from pyspark.ml.recommendation import ALSModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from threadpoolctl import threadpool_limits

from bgmrec.bench.half_steps import rating_matrix, shape_of
from bgmrec.bench.parts import Bench, Result, Times
from bgmrec.factorize.blocks.factors import collect_table, initial_factors
from bgmrec.factorize.blocks.prepare import write_blocks
from bgmrec.factorize.kernels.noise import ITEM_SIDE, USER_SIDE
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.recommend.popularity import PopularItems
from bgmrec.recommend.shards import gather_shards, item_shards, shard_bytes
from bgmrec.recommend.top_n import ListRules, top_n, user_blocks
from bgmrec.runtime.session import arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT

NOBODY = PopularItems(np.empty(0, np.int32), np.empty(0, FLOAT))
CHECKED = 10_000  # users whose lists are compared with implicit's
TOLERANCE = 1e-4  # scores of one pair differ by rounding alone


def topn(bench: Bench, arguments: argparse.Namespace) -> Result:
    """All users' best n items, written, with the seen filter; the peer's are written too (MLlib: without a filter)."""
    shape, n = shape_of(arguments), arguments.n
    ratings = bench.ratings(shape)
    sizes, model = bench.sizes(ratings, shape), ModelShape(arguments.rank)
    folder = bench.fresh("topn")
    write_blocks(folder, ratings, sizes)
    tables = {}
    for side, number, count, blocks in (
        ("user", USER_SIDE, sizes.users, sizes.user_blocks), ("item", ITEM_SIDE, sizes.items, sizes.item_blocks),
    ):  # fmt: skip
        drawn = initial_factors(bench.spark, count, blocks, model, seed=1, side=number, scale=0.1)
        tables[side] = folder.write(drawn, f"{side}_factors")
    users = collect_table(tables["user"], sizes.users, sizes.user_blocks, model.width)
    items = collect_table(tables["item"], sizes.items, sizes.item_blocks, model.width)
    every = bench.spark.range(sizes.items).select(f.col("id").cast("int").alias(c.ITEM_IDX))

    def lists(name: str, *, filter_seen: bool) -> DataFrame:
        candidates = every.withColumn("group_idx", f.col(c.ITEM_IDX))
        with arrow_batch(bench.spark, 1):
            shards = item_shards(tables["item"], candidates, num_blocks=sizes.item_blocks)
            total = shard_bytes(candidates, model.width)
            limit = bench.settings.recommend.item_block_bytes
            shard = gather_shards(shards, limit, total, num_blocks=sizes.item_blocks)
            blocks = user_blocks(tables["user"], folder.read("user_rating_blocks"), None, partitions=bench.partitions)
            rules = ListRules(n, filter_seen)
            made = top_n(blocks, shard, shape=model, num_blocks=sizes.user_blocks, rules=rules, popular=NOBODY)
            with made as rows:
                return folder.write(rows, name, rows.schema)

    unfiltered = lists("unfiltered", filter_seen=False)  # compiles
    ours = bench.timed("ours", lambda _: lists("lists", filter_seen=True))
    if arguments.peer == "implicit":
        return _against_implicit(bench, arguments, ratings, ours, folder.read("lists"), users, items)
    model_of_peer = _mllib_model(bench, users, items)
    peer = bench.timed("mllib", lambda _: folder.write(model_of_peer.recommendForAllUsers(n), "mllib"))
    theirs = folder.read("mllib").select(c.USER_IDX, f.posexplode("recommendations").alias("place", "one"))
    theirs = theirs.select(c.USER_IDX, (f.col("place") + 1).alias(c.POSITION), f.col("one.rating").alias("their_score"))
    return Result(f"topn rank {arguments.rank}, MLlib", ours, peer, _agreement(unfiltered, theirs), facts=_NOTE)


_NOTE = {"quality": "share of list places with the same score: the same lists up to ties"}


def _agreement(ours: DataFrame, theirs: DataFrame) -> float:
    joined = ours.join(theirs, [c.USER_IDX, c.POSITION], "full")
    same = f.coalesce((f.abs(f.col(c.SCORE) - f.col("their_score")) < TOLERANCE).cast("double"), f.lit(0.0))
    return float(joined.agg(f.avg(same)).collect()[0][0])


def _mllib_model(bench: Bench, users: np.ndarray, items: np.ndarray) -> ALSModel:
    """MLlib's model with these factors."""
    frames = []
    for name, table in (("users", users), ("items", items)):
        rows = bench.spark.range(0, len(table), 1, bench.partitions).select(f.col("id").cast("int").alias("id"))
        shared = bench.spark.sparkContext.broadcast(table)
        cell: Callable[..., Any] = f.udf(lambda idx, shared=shared: shared.value[idx].tolist(), "array<float>")
        frames.append(bench.store.write(rows.select("id", cell("id").alias("features")), f"mllib_{name}"))
    java = bench.spark._jvm.org.apache.spark.ml.recommendation.ALSModel(  # type: ignore[union-attr]
        "benchmark", users.shape[1], frames[0]._jdf, frames[1]._jdf
    )
    java.setUserCol(c.USER_IDX)
    java.setItemCol(c.ITEM_IDX)
    return ALSModel(java)


def _against_implicit(
    bench: Bench, arguments: argparse.Namespace, ratings: DataFrame, ours: Times, lists: DataFrame, users: np.ndarray,
    items: np.ndarray,
) -> Result:  # fmt: skip
    from implicit.cpu.als import AlternatingLeastSquares

    shape = shape_of(arguments)
    matrix = rating_matrix(ratings, shape)
    model = AlternatingLeastSquares(factors=arguments.rank)
    model.user_factors, model.item_factors = users, items
    everybody, found = np.arange(shape.users), []
    with threadpool_limits(1, "blas"):  # it has threads of its own
        peer = bench.timed(
            "implicit",
            lambda _: found.append(model.recommend(everybody, matrix, N=arguments.n, filter_already_liked_items=True)),
        )
    _, scores = found[-1]
    checked = lists.where(f.col(c.USER_IDX) < CHECKED).orderBy(c.USER_IDX, c.POSITION)
    rows: Any = checked.toPandas()
    same = np.abs(rows[c.SCORE].to_numpy().reshape(-1, arguments.n) - scores[: min(CHECKED, shape.users)]) < TOLERANCE
    return Result(f"topn rank {arguments.rank}, implicit", ours, peer, float(same.mean()), facts=_NOTE)
