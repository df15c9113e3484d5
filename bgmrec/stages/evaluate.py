"""Evaluates the best round's model and the baselines on the held-out ratings of the run."""

from __future__ import annotations

import sys
from typing import Any

from pyspark.sql import functions as f

from bgmrec.evaluate.baselines import TableSizes
from bgmrec.evaluate.item_weights import ItemWeights
from bgmrec.evaluate.models import HeldOut, baselines, evaluate_models
from bgmrec.evaluate.table import MODEL, headline, main_rows, metrics_table
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.recommend.candidates import candidate_items
from bgmrec.recommend.lists import FactorModel, model_sizes, seen_blocks
from bgmrec.run.state import Run
from bgmrec.runtime.command import write_line
from bgmrec.storage import columns as c


def stage(run: Run) -> None:
    """Writes `metrics.json`: run id of the evaluated `model`, number of `held_out` ratings, `rows` of metrics.

    Args:
        run: of the logical date.
    """
    facts = run.work.document("evaluated")
    evaluation = {"model": run.model_id, "held_out": facts["valid"]}
    run.summary.add("evaluation", **evaluation)
    if not facts["valid"]:
        run.progress.done("evaluate", skipped="no ratings were held out")
        run.work.write_json("metrics", {**evaluation, "rows": []})
        return
    sizes = TableSizes(facts["users"], facts["items"], facts["user_blocks"], facts["item_blocks"])
    held_out = _held_out(run, facts)
    models: dict[str, FactorModel | ItemWeights] = {MODEL: evaluated_model(run)}
    models |= dict(baselines(run, held_out.train, sizes, run.settings.evaluate.baselines))
    implicit = run.settings.factorize.mode == "implicit"
    rows = evaluate_models(run, held_out, models, frozenset(models) if implicit else frozenset({"popularity"}))
    run.work.write_json("metrics", {**evaluation, "rows": rows})
    for name in models:
        run.summary.add("metrics", **{name: headline(rows, name)})
    write_line(metrics_table(main_rows(rows)), to=sys.stderr)


def evaluated_model(run: Run) -> FactorModel:
    """The best round's factors; no held-out rating was used to train them.

    Args:
        run: of the logical date.
    """
    facts = run.work.document("evaluated")
    return FactorModel(
        run.work.read("evaluated_user_factors"),
        run.work.read("evaluated_item_factors"),
        ModelShape(**facts["shape"]),
        facts["user_blocks"],
        facts["item_blocks"],
    )


def _held_out(run: Run, facts: dict[str, Any]) -> HeldOut:
    ratings = run.work.read("ratings_split")
    pairs = ratings.where(f.col(c.PART) == c.VALID)
    train = ratings.where(f.col(c.PART) == c.TRAIN)
    relevant = f.col(c.RATING) >= run.settings.evaluate.relevant_rating
    predicts_ratings = run.settings.factorize.mode == "explicit"  # scores of preferences are not ratings
    return HeldOut(
        train=train,
        pairs=pairs,
        pair_blocks=run.scratch("train").read("valid_rating_blocks") if predicts_ratings else None,
        targets=pairs.where(relevant).select(c.USER_IDX, c.ITEM_IDX),
        catalogue=candidate_items(run, run.scratch("evaluate"), run.work.read("item_index")),
        seen=seen_blocks(run, run.scratch("train"), train, model_sizes(facts)),
    )
