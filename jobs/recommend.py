"""Makes the top-N lists of all users and the similar items, checks them, and publishes both.

Reads the model that jobs/train.py stored for the same --ds. A failed check of [publish.gate] ends with
exit status 4, a refused switch with 6; in both cases what was published before stays published. As the
last stage of a night it writes the summary, too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager

from publishing import publish
from pyspark.sql import DataFrame
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
from summarising import run_publishing, summarised

from bgmrec.config.serving import ItemList
from bgmrec.contracts import RECOMMENDATION_REASONS
from bgmrec.factorize.shape import ModelShape
from bgmrec.ingest.sources import read_files
from bgmrec.job import run_stage
from bgmrec.models import StoredModel
from bgmrec.recommend.checks import list_faults, list_violations, pack_lists
from bgmrec.recommend.explain import reasons
from bgmrec.recommend.filters import candidates
from bgmrec.recommend.similar import similar_items
from bgmrec.recommend.top_n import ListRules
from bgmrec.run import Run
from bgmrec.session import arrow_batch
from bgmrec.tables import Tables

REASONS = RECOMMENDATION_REASONS.table


def stage(run: Run) -> None:
    """Writes `top_n` and `similar`, then publishes them."""
    if (record := run.shelf.record(run.run_id)) is not None:  # interrupted in the switch: what it staged is immutable
        run.summary.add("published", **record["tables"])
        run.shelf.switch(record)
        return
    stored = run.models.load(run.model_id)
    model = stored_model(stored)
    shown = shown_items(run, run.scratch("recommend"), stored.table("item_index"))
    settings = run.settings.recommend
    heard = heard_blocks(run, run.work, run.work.read("ratings_split"), night_sizes(stored.facts))
    rules = ListRules(settings.n, settings.filter_seen, settings.max_per_value if settings.max_per_field else 0)
    popular = popular_list(run, run.work.read("ratings_split"), shown, rules)
    described = described_users(run, run.scratch("recommend"), stored.table("user_index"), model.user_blocks)
    with arrow_batch(run.spark, 1):
        items = load_items(run, model, shown)
        run.progress.update("recommend", table="top_n", users=stored.facts["users"])
        with make_lists(run, model, items, heard, described, rules, popular) as made:
            lists = run.work.write(made, "top_n")
        run.progress.update("recommend", table="similar", items=stored.facts["items"])
        similar = similar_items(
            model.item_factors, items, shape=model.shape, num_blocks=model.item_blocks, n=settings.similar_n
        )
        with similar as made:
            run.work.write(made, "similar")
        if REASONS in run.settings.publish.tables:
            run.progress.update("recommend", table="reasons")
            with _reasons(run, stored, lists) as made:
                run.work.write(made, "reasons")
    run.progress.update("recommend", table="publishing")
    faults = _broken_rules(run, lists, heard if settings.filter_seen else None, model.user_blocks)
    publish(run, stored, shown, faults)


def _broken_rules(run: Run, lists: DataFrame, hidden: DataFrame | None, num_blocks: int) -> dict[str, int]:
    """How often the lists break a rule."""
    place, n = run.scratch("recommend"), run.settings.recommend.n
    packed = place.write(pack_lists(lists, num_blocks), "packed_lists")  # as large as the lists themselves
    with arrow_batch(run.spark, 1):
        faults = list_faults(list_violations(packed, hidden, num_blocks=num_blocks, n=n))
    place.delete("packed_lists")
    return faults


def _reasons(run: Run, stored: StoredModel, lists: DataFrame) -> AbstractContextManager[DataFrame]:
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


def shown_items(run: Run, place: Tables, item_index: DataFrame) -> DataFrame:
    """The candidates by the filters of [recommend], written: all lists of a stage are made of them.

    Args:
        run: the night.
        place: scratch of the stage, gets `shown_items`.
        item_index: `schemas.ITEM_INDEX`.
    """
    settings = run.settings.recommend
    shown = candidates(
        item_index,
        allow=_item_list(run, settings.allow),
        deny=_item_list(run, settings.deny),
        items=run.work.read("items") if settings.max_per_field else None,
        field=settings.max_per_field,
    )
    return place.write(shown, "shown_items")


def _item_list(run: Run, files: ItemList | None) -> DataFrame | None:
    return None if files is None else read_files(run.spark, files, data=run.settings.paths.data, ds=run.ds)


def published(run: Run) -> None:
    """The stage as a job of its own."""
    with summarised(run):
        run_stage(run, "recommend", stage)


def main(argv: Sequence[str] | None = None) -> int:
    return run_publishing("recommend", __doc__, published, argv)


if __name__ == "__main__":
    sys.exit(main())
