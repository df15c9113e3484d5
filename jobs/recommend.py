"""Makes the top-N lists of all users and the similar items, checks them, and publishes both.

Reads the model that jobs/train.py stored for the same --ds. A failed check ends with exit status 4, a
refused switch with 6; in both cases what was published before stays published.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec import columns as c
from bgmrec.config.serving import ItemList
from bgmrec.errors import QualityGateError
from bgmrec.factorize.shape import ModelShape
from bgmrec.ingest.sources import read_files
from bgmrec.job import run_job
from bgmrec.models import StoredModel
from bgmrec.recommend import external
from bgmrec.recommend.checks import check_top_n, list_violations
from bgmrec.recommend.filters import candidates
from bgmrec.recommend.kernel import Shard
from bgmrec.recommend.popularity import collect_popular, popular_items, popularity
from bgmrec.recommend.shards import gather_shards, item_shards, regroup_shards, shard_bytes
from bgmrec.recommend.similar import similar_items
from bgmrec.recommend.top_n import ListRules, top_n, user_blocks
from bgmrec.run import Run
from bgmrec.session import arrow_batch


def stage(run: Run) -> None:
    """Writes `top_n` and `similar`, then publishes them."""
    model = run.models.load(run.run_id)
    shown = _candidates(run, model)
    with arrow_batch(run.spark, 1):
        items = _items(run, model, shown)
        run.progress.update("recommend", table="top_n", users=model.facts["users"])
        lists = run.work.write(_lists(run, model, items, shown), "top_n")
        run.progress.update("recommend", table="similar")
        similar = _similar(run, model, items)
        run.work.write(similar, "similar")
        rows = _check(run, model, lists)
    run.progress.update("recommend", table="publishing", rows=rows)
    _publish(run, model)


def _candidates(run: Run, model: StoredModel) -> DataFrame:
    settings = run.settings.recommend
    return candidates(
        model.table("item_index"),
        allow=_item_list(run, settings.allow),
        deny=_item_list(run, settings.deny),
        items=run.work.read("items") if settings.max_per_field else None,
        field=settings.max_per_field,
    )


def _item_list(run: Run, files: ItemList | None) -> DataFrame | None:
    return None if files is None else read_files(run.spark, files, data=run.settings.paths.data, ds=run.ds)


def _items(run: Run, model: StoredModel, shown: DataFrame) -> Shard | DataFrame:
    """The items that may be shown: one broadcast shard, or a table of shards where they exceed the bound."""
    limit = run.settings.recommend.item_block_bytes
    shards = item_shards(model.table("item_factors"), shown, num_blocks=model.facts["item_blocks"])
    total = shard_bytes(shards)
    return gather_shards(shards, limit) if total <= limit else regroup_shards(shards, limit, total)


def _lists(run: Run, model: StoredModel, items: Shard | DataFrame, shown: DataFrame) -> DataFrame:
    settings = run.settings.recommend
    per_group = settings.max_per_value if settings.max_per_field else 0
    since = run.end - timedelta(days=settings.popularity_days) if settings.popularity_days else None
    implicit = run.settings.factorize.mode == "implicit"
    scores = popularity(run.work.read("ratings_split"), implicit=implicit, since=since)
    described = run.work.read("users").join(model.table("user_index"), c.USER_ID, "inner").select(c.USER_IDX)
    blocks = user_blocks(
        model.table("user_factors"),
        run.work.read("user_rating_blocks"),
        described if run.settings.user_encoder.kind != "none" else None,
        num_blocks=model.facts["user_blocks"],
        partitions=run.settings.spark.shuffle_partitions,
    )
    return top_n(
        blocks,
        items,
        shape=ModelShape(**model.facts["shape"]),
        num_blocks=model.facts["user_blocks"],
        rules=ListRules(settings.n, settings.filter_seen, per_group),
        popular=collect_popular(popular_items(scores, shown, settings.n, per_group)),
    )


def _similar(run: Run, model: StoredModel, items: Shard | DataFrame) -> DataFrame:
    return similar_items(
        model.table("item_factors"),
        items,
        shape=ModelShape(**model.facts["shape"]),
        num_blocks=model.facts["item_blocks"],
        n=run.settings.recommend.similar_n,
    )


def _check(run: Run, model: StoredModel, lists: DataFrame) -> int:
    """The checks before the switch; returns the rows to publish."""
    settings = run.settings
    heard = run.work.read("user_rating_blocks") if settings.recommend.filter_seen else None
    violations = list_violations(lists, heard, num_blocks=model.facts["user_blocks"], n=settings.recommend.n)
    found = check_top_n(violations)
    coverage = found["users"] / model.facts["users"]
    run.summary.add("recommend", **found, user_coverage=round(coverage, 6))
    for name, value, least in (
        ("share of users with a list", coverage, settings.publish.min_user_coverage),
        ("rows", found["rows"], settings.publish.min_rows),
    ):
        if value < least:
            raise QualityGateError(
                f"too few {name} to publish",
                where="top_n",
                expected=f"at least {least:,}",
                found=f"{value:,}",
                cure="look at the filters of [recommend] and at the rejects; [publish] holds the thresholds",
            )
    return found["rows"]


def _publish(run: Run, model: StoredModel) -> None:
    ds, run_id = str(run.ds), run.run_id
    user_index, item_index = model.table("user_index"), model.table("item_index")
    made = {
        "recommendations": external.recommendations(run.work.read("top_n"), user_index, item_index, ds, run_id),
        "similar_items": external.similar_items(run.work.read("similar"), item_index, ds, run_id),
    }
    staged = {}
    for table in run.settings.publish.tables:
        location = run.shelf.stage(made[table], table, ds, run_id)
        rows = run.spark.read.parquet(location).agg(f.count(f.lit(1))).collect()[0][0]
        staged[table] = {"location": location, "rows": rows}
        run.summary.add("published", **{table: staged[table]})
    database = None if run.settings.publish.catalog == "none" else run.settings.publish.database
    run.shelf.switch(ds, run_id, staged, database)


def main(argv: Sequence[str] | None = None) -> int:
    return run_job("recommend", __doc__, stage, argv)


if __name__ == "__main__":
    sys.exit(main())
