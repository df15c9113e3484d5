"""The figures of a study's trial: the model's, and in cold studies those of the same run's baselines.

No job of its own: a part of study.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.evaluate.baselines import Sizes, bias_baseline
from bgmrec.evaluate.models import HeldOut, evaluate_models, written
from bgmrec.evaluate.ranking import ranking_metrics
from bgmrec.evaluate.table import collect_metrics, headline
from bgmrec.factorize.blocks.prepare import write_user_blocks
from bgmrec.recommend.lists import FactorModel
from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.study.cold_baselines import mean_baseline
from bgmrec.study.content_lists import content_lists
from bgmrec.study.table import BASELINES
from bgmrec.study.trial import Parts
from bgmrec.train.learn import Learned

MODEL = "model"
METRICS = ("rmse", "mae", "ndcg@10", "ndcg@20", "recall@20", "coverage@20")


def evaluated(run: Run, learned: Learned, parts: Parts, *, is_cold: bool) -> dict[str, Any]:
    """The metrics of a learned model by their names in a JSON line; actions."""
    sizes = learned.sizes
    model = FactorModel(
        **learned.factors, shape=learned.shape, user_blocks=sizes.user_blocks, item_blocks=sizes.item_blocks
    )
    train = run.work.read("ratings_split").where(f.col(c.PART) == c.TRAIN)
    explicit = run.settings.factorize.mode == "explicit"
    held_out, blocks = parts.held_out if explicit else None, None
    if held_out is not None:
        scratch = run.scratch("train")
        write_user_blocks(scratch, "test_rating_blocks", held_out, sizes)
        blocks = scratch.read("test_rating_blocks")
    evaluated_on = HeldOut(train, held_out, blocks, parts.targets, parts.catalogue, learned.seen)
    rows = evaluate_models(run, evaluated_on, {MODEL: model}, frozenset())
    if not is_cold:
        found = headline(rows, MODEL)
        return {name.replace("@", "_"): round(found[name], 6) for name in METRICS if name in found}
    own = Sizes(sizes.users, sizes.items, sizes.user_blocks, sizes.item_blocks)
    return {**cold_metrics(rows, MODEL), BASELINES: _cold_baselines(run, evaluated_on, own)}


def cold_metrics(rows: list[dict[str, Any]], model: str) -> dict[str, float]:
    """Errors on cold items (of warm users) and on cold users (on warm items), and the ranking of the cold items.

    Args:
        rows: of `judge` on what a cold study holds out.
        model: by its name.
    """
    found = {}
    for row in (row for row in rows if row["model"] == model):
        if row["metric"] in ("rmse", "mae") and row["value"] == c.COLD:
            found[f"{row['metric']}_cold_{row['slice']}"] = round(row["result"], 6)
    lists = headline(rows, model)
    return found | {f"ndcg_{k}_cold_items": round(lists[f"ndcg@{k}"], 6) for k in (10, 20) if f"ndcg@{k}" in lists}


def _cold_baselines(run: Run, evaluated_on: HeldOut, sizes: Sizes) -> dict[str, dict[str, float]]:
    """Means and biases for the errors, content for the lists."""
    found: dict[str, dict[str, float]] = {}
    if evaluated_on.pairs is not None:
        makers = {"mean": mean_baseline, "bias": bias_baseline}
        models = {name: written(run, make(evaluated_on.train, sizes), sizes) for name, make in makers.items()}
        rows = evaluate_models(run, replace(evaluated_on, targets=None), models, frozenset())
        found |= {name: cold_metrics(rows, name) for name in models}
    return (
        found
        if evaluated_on.targets is None
        else found | _content_baselines(run, evaluated_on, evaluated_on.targets, sizes)
    )


def _content_baselines(
    run: Run, evaluated_on: HeldOut, targets: DataFrame, sizes: Sizes
) -> dict[str, dict[str, float]]:
    lists = content_lists(run, evaluated_on, targets.select(c.USER_IDX).distinct(), sizes)
    named = (made.withColumn("model", f.lit(name)) for name, made in lists.items())
    ranked = ranking_metrics(
        reduce(DataFrame.unionByName, named),
        targets,
        evaluated_on.catalogue,
        evaluated_on.train,
        models=list(lists),
        ks=run.settings.evaluate.ks,
        slices=1,
    )
    rows = collect_metrics(ranked)
    return {name: cold_metrics(rows, name) for name in lists}
