"""Makes the top-N lists of all users and the similar items, checks them, and publishes both.

Reads the model that jobs/train.py stored for the same --ds. A failed check ends with exit status 4, a
refused switch with 6; in both cases what was published before stays published.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from ranking import (
    FactorModel,
    described_users,
    heard_blocks,
    load_items,
    make_lists,
    night_sizes,
    popular_list,
    solved_tables,
)

from bgmrec.config.serving import ItemList
from bgmrec.errors import QualityGateError
from bgmrec.factorize.shape import ModelShape
from bgmrec.ingest.sources import read_files
from bgmrec.job import run_job
from bgmrec.models import StoredModel
from bgmrec.recommend import external
from bgmrec.recommend.checks import check_top_n, list_violations
from bgmrec.recommend.explain import reasons
from bgmrec.recommend.filters import candidates
from bgmrec.recommend.similar import similar_items
from bgmrec.recommend.top_n import ListRules
from bgmrec.run import Run
from bgmrec.session import arrow_batch

REASONS = "recommendation_reasons"


def stage(run: Run) -> None:
    """Writes `top_n` and `similar`, then publishes them."""
    stored = run.models.load(run.run_id)
    model = stored_model(stored)
    shown = shown_items(run, stored.table("item_index"))
    settings = run.settings.recommend
    heard = heard_blocks(run, run.work, run.work.read("ratings_split"), night_sizes(stored.facts))
    rules = ListRules(settings.n, settings.filter_seen, settings.max_per_value if settings.max_per_field else 0)
    with arrow_batch(run.spark, 1):
        items = load_items(run, model, shown)
        run.progress.update("recommend", table="top_n", users=stored.facts["users"])
        lists = make_lists(
            run,
            model,
            items,
            heard,
            described_users(run, stored.table("user_index")),
            rules,
            popular_list(run, run.work.read("ratings_split"), shown, rules),
        )
        lists = run.work.write(lists, "top_n")
        run.progress.update("recommend", table="similar", items=stored.facts["items"])
        similar = similar_items(
            model.item_factors, items, shape=model.shape, num_blocks=model.item_blocks, n=settings.similar_n
        )
        run.work.write(similar, "similar")
        rows = _check(run, stored, lists, heard)
        if REASONS in run.settings.publish.tables:
            run.progress.update("recommend", table="reasons", rows=rows)
            run.work.write(_reasons(run, stored, lists), "reasons")
    run.progress.update("recommend", table="publishing", rows=rows)
    _publish(run, stored)


def _reasons(run: Run, stored: StoredModel, lists: DataFrame) -> DataFrame:
    """What carries every score."""
    return reasons(
        solved_tables(run, stored),
        lists,
        n=run.settings.recommend.reasons,
        n_users=stored.facts["users"],
        broadcast_bytes=run.settings.factorize.broadcast_bytes,
    )


def stored_model(stored: StoredModel) -> FactorModel:
    """A stored model's factors."""
    facts = stored.facts
    return FactorModel(
        stored.table("user_factors"),
        stored.table("item_factors"),
        ModelShape(**facts["shape"]),
        facts["user_blocks"],
        facts["item_blocks"],
    )


def shown_items(run: Run, item_index: DataFrame) -> DataFrame:
    """The candidates by the filters of [recommend]."""
    settings = run.settings.recommend
    return candidates(
        item_index,
        allow=_item_list(run, settings.allow),
        deny=_item_list(run, settings.deny),
        items=run.work.read("items") if settings.max_per_field else None,
        field=settings.max_per_field,
    )


def _item_list(run: Run, files: ItemList | None) -> DataFrame | None:
    return None if files is None else read_files(run.spark, files, data=run.settings.paths.data, ds=run.ds)


def _check(run: Run, model: StoredModel, lists: DataFrame, heard: DataFrame) -> int:
    """The checks before the switch; returns the rows to publish."""
    settings = run.settings
    hidden = heard if settings.recommend.filter_seen else None
    violations = list_violations(lists, hidden, num_blocks=model.facts["user_blocks"], n=settings.recommend.n)
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
    if REASONS in run.settings.publish.tables:
        made[REASONS] = external.recommendation_reasons(run.work.read("reasons"), user_index, item_index, ds, run_id)
    staged: dict[str, dict[str, Any]] = {}
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
