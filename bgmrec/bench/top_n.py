"""Benchmarks of top-N lists, against MLlib and against implicit."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from pyspark.ml.recommendation import ALSModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from threadpoolctl import threadpool_limits

from bgmrec.bench.half_steps import shape_of
from bgmrec.bench.harness import Bench, Result, Times
from bgmrec.bench.implicit_mode import rating_matrix
from bgmrec.factorize.blocks.factors import collect_table, initial_factors
from bgmrec.factorize.blocks.prepare import write_blocks
from bgmrec.factorize.kernels.noise import ITEM_SIDE, USER_SIDE
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.recommend.popularity import PopularItems
from bgmrec.recommend.shards import gather_shards, item_shards, shard_bytes
from bgmrec.recommend.top_n import ListRules, top_n, user_blocks
from bgmrec.runtime.broadcasts import broadcast_value
from bgmrec.runtime.session import arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT

NO_POPULAR_ITEMS = PopularItems(np.empty(0, np.int32), np.empty(0, FLOAT))
CHECKED_USERS = 10_000  # their lists are compared with implicit's
TOLERANCE = 1e-4  # scores of the same pair differ by rounding


def topn(bench: Bench, arguments: argparse.Namespace) -> Result:
    """Lists of n items for all users, written, without seen items; MLlib's are written, too, but hold seen items.

    Args:
        bench: session and settings.
        arguments: of the command line.
    """
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
    items_table = bench.spark.range(sizes.items).select(f.col("id").cast("int").alias(c.ITEM_IDX))

    def lists(name: str, *, filter_seen: bool) -> DataFrame:
        candidates = items_table.withColumn("group_idx", f.col(c.ITEM_IDX))
        with arrow_batch(bench.spark, 1):
            shards = item_shards(tables["item"], candidates, num_blocks=sizes.item_blocks)
            total = shard_bytes(candidates, model.width)
            limit = bench.settings.factorize.broadcast_bytes
            shard = gather_shards(shards, limit, total, num_blocks=sizes.item_blocks)
            blocks = user_blocks(tables["user"], folder.read("user_rating_blocks"), None, partitions=bench.partitions)
            rules = ListRules(n, filter_seen)
            ranked = top_n(
                blocks, shard, shape=model, num_blocks=sizes.user_blocks, rules=rules, popular=NO_POPULAR_ITEMS
            )
            with ranked as rows:
                return folder.write(rows, name, rows.schema)

    unfiltered = lists("unfiltered", filter_seen=False)  # compiles
    ours = bench.timed("ours", lambda _: lists("lists", filter_seen=True))
    if arguments.peer == "implicit":
        return _against_implicit(bench, arguments, ratings, ours, folder.read("lists"), users, items)
    mllib = _mllib_model(bench, users, items)
    peer = bench.timed("mllib", lambda _: folder.write(mllib.recommendForAllUsers(n), "mllib"))
    entries = folder.read("mllib").select(c.USER_IDX, f.posexplode("recommendations").alias("index", "entry"))
    peer_lists = entries.select(
        c.USER_IDX, (f.col("index") + 1).alias(c.POSITION), f.col("entry.rating").alias("peer_score")
    )
    name, peer_name = f"topn rank {arguments.rank}, MLlib", "Spark MLlib, without the seen filter"
    return Result(name, _work(n), peer_name, ours, peer, _agreement(unfiltered, peer_lists), facts=_QUALITY)


_QUALITY = {"quality": "share of positions with the same score as the peer's"}


def _work(n: int) -> str:
    return f"lists of {n} items without seen items"


def _agreement(ours: DataFrame, peer_lists: DataFrame) -> float:
    joined = ours.join(peer_lists, [c.USER_IDX, c.POSITION], "full")
    same = f.coalesce((f.abs(f.col(c.SCORE) - f.col("peer_score")) < TOLERANCE).cast("double"), f.lit(0.0))
    return float(joined.agg(f.avg(same)).collect()[0][0])


def _mllib_model(bench: Bench, users: np.ndarray, items: np.ndarray) -> ALSModel:
    """MLlib's model with these factors."""
    frames = []
    for name, table in (("users", users), ("items", items)):
        rows = bench.spark.range(0, len(table), 1, bench.partitions).select(f.col("id").cast("int").alias("id"))
        with broadcast_value(bench.spark, table) as shared:
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
    all_users, n, results = np.arange(shape.users), arguments.n, []
    with threadpool_limits(1, "blas"):  # implicit has its own threads
        peer = bench.timed(
            "implicit",
            lambda _: results.append(model.recommend(all_users, matrix, N=n, filter_already_liked_items=True)),
        )
    _, scores = results[-1]
    checked = lists.where(f.col(c.USER_IDX) < CHECKED_USERS).orderBy(c.USER_IDX, c.POSITION)
    rows: Any = checked.toPandas()
    peer_scores = scores[: min(CHECKED_USERS, shape.users)]
    same = np.abs(rows[c.SCORE].to_numpy().reshape(-1, n) - peer_scores) < TOLERANCE
    name = f"topn rank {arguments.rank}, implicit"
    return Result(name, _work(n), "implicit", ours, peer, float(same.mean()), facts=_QUALITY)
