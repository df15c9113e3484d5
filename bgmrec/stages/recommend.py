"""Computes the top-N lists of all users and the similar items, checks them, and publishes both."""

from __future__ import annotations

from contextlib import AbstractContextManager

from pyspark.sql import DataFrame

from bgmrec.publish.contracts import RECOMMENDATION_REASONS
from bgmrec.publish.promotion import promote
from bgmrec.recommend.candidates import candidate_items
from bgmrec.recommend.checks import list_faults, list_violations, pack_lists
from bgmrec.recommend.explain import reasons
from bgmrec.recommend.lists import (
    load_items,
    make_lists,
    model_sizes,
    popular_list,
    seen_blocks,
    stored_model,
    users_with_side_information,
)
from bgmrec.recommend.similar import similar_items
from bgmrec.recommend.top_n import ListRules
from bgmrec.run.state import Run
from bgmrec.runtime.session import arrow_batch
from bgmrec.stages.job import run_stage
from bgmrec.stages.outcome import RESULT
from bgmrec.stages.publishing import evaluation, publish
from bgmrec.stages.summary import finish_published
from bgmrec.storage.models import StoredModel
from bgmrec.train.user_step import last_user_step

REASONS = RECOMMENDATION_REASONS.table


def stage(run: Run) -> None:
    """Writes `top_n` and `similar`, then publishes them.

    Args:
        run: of the logical date.
    """
    record = run.versions.record(run.run_id)
    if record is not None:  # interrupted while promoting: the staged tables are immutable
        run.summary.add("published", **record["tables"])
        promote(run.versions, record)
        run.summary.add(RESULT, published=True)
        return
    stored = run.models.load(run.model_id)
    evaluation(run, stored)  # raises before the lists are computed, which takes long
    model = stored_model(stored)
    candidates = candidate_items(run, run.scratch("recommend"), stored.table("item_index"))
    settings = run.settings.recommend
    seen = seen_blocks(run, run.work, run.work.read("ratings_split"), model_sizes(stored.facts))
    rules = ListRules(settings.n, settings.filter_seen, settings.max_per_value if settings.max_per_field else 0)
    popular = popular_list(run, run.work.read("ratings_split"), candidates, rules)
    with_side_information = users_with_side_information(
        run, run.scratch("recommend"), stored.table("user_index"), model.user_blocks
    )
    with arrow_batch(run.spark, 1):
        items = load_items(run, model, candidates)
        run.progress.update("recommend", table="top_n", users=stored.facts["users"])
        with make_lists(run, model, items, seen, with_side_information, rules, popular) as top_n:
            lists = run.work.write(top_n, "top_n")
        run.progress.update("recommend", table="similar", items=stored.facts["items"])
        similar = similar_items(
            model.item_factors, items, shape=model.shape, num_blocks=model.item_blocks, n=settings.similar_n
        )
        with similar as similar_rows:
            run.work.write(similar_rows, "similar")
        if REASONS in run.settings.publish.tables:
            run.progress.update("recommend", table="reasons")
            with _reasons(run, stored, lists) as reason_rows:
                run.work.write(reason_rows, "reasons")
    run.progress.update("recommend", table="publishing")
    faults = _violations(run, lists, seen if settings.filter_seen else None, model.user_blocks)
    publish(run, stored, candidates, faults)


def _violations(run: Run, lists: DataFrame, hidden: DataFrame | None, num_blocks: int) -> dict[str, int]:
    """How often the lists break each rule."""
    folder, n = run.scratch("recommend"), run.settings.recommend.n
    packed = folder.write(pack_lists(lists, num_blocks), "packed_lists")  # as large as the lists
    with arrow_batch(run.spark, 1):
        faults = list_faults(list_violations(packed, hidden, num_blocks=num_blocks, n=n))
    folder.delete("packed_lists")
    return faults


def _reasons(run: Run, stored: StoredModel, lists: DataFrame) -> AbstractContextManager[DataFrame]:
    """The parts of each score."""
    return reasons(
        last_user_step(run, stored),
        lists,
        n=run.settings.recommend.reasons,
        n_users=stored.facts["users"],
        broadcast_bytes=run.settings.factorize.broadcast_bytes,
    )


def published(run: Run) -> None:
    """The stage as a job: publishes, and writes the summary of the run.

    Args:
        run: of the logical date.
    """
    run_stage(run, "recommend", stage)
    finish_published(run)
