"""The metrics of a trial: those of the model, and in cold studies those of baselines on the same data."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.evaluate.baselines import TableSizes, bias_baseline
from bgmrec.evaluate.item_weights import ItemWeights
from bgmrec.evaluate.models import RATED, HeldOut, baselines, evaluate_models, written
from bgmrec.evaluate.ranking import ranking_metrics
from bgmrec.evaluate.table import collect_metrics, headline
from bgmrec.factorize.blocks.prepare import write_user_blocks
from bgmrec.recommend.lists import FactorModel
from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.study.cold_baselines import mean_baseline
from bgmrec.study.console_table import BASELINES
from bgmrec.study.content_baselines import content_baseline_lists
from bgmrec.study.trial import EvaluationSet
from bgmrec.train.learn import Learned

MODEL = "model"
METRICS = ("rmse", "mae", "ndcg@10", "ndcg@20", "recall@20", "coverage@20")


Metrics = dict[str, dict[str, float]]  # baseline → metrics


def evaluated(
    run: Run, learned: Learned, evaluation_set: EvaluationSet, *, is_cold: bool, known: Metrics | None = None
) -> dict[str, Any]:
    """The metrics of a trained model and of baselines by their names in a JSON line. Runs Spark actions.

    Args:
        run: of the trial.
        learned: the model.
        evaluation_set: what it is evaluated on.
        is_cold: whether the protocol reports cold items and cold users separately.
        known: the metrics of the baselines, from another model's trial on the same data; None: they are measured.
    """
    sizes = learned.sizes
    model = FactorModel(
        **learned.factors, shape=learned.shape, user_blocks=sizes.user_blocks, item_blocks=sizes.item_blocks
    )
    train = run.work.read("ratings_split").where(f.col(c.PART) == c.TRAIN)
    explicit = run.settings.factorize.mode == "explicit"
    held_out, blocks = evaluation_set.held_out if explicit else None, None
    if held_out is not None:
        scratch = run.scratch("train")
        write_user_blocks(scratch, "test_rating_blocks", held_out, sizes)
        blocks = scratch.read("test_rating_blocks")
    evaluated_on = HeldOut(train, held_out, blocks, evaluation_set.targets, evaluation_set.catalogue, learned.seen)
    table_sizes = TableSizes(sizes.users, sizes.items, sizes.user_blocks, sizes.item_blocks)
    models: dict[str, FactorModel | ItemWeights] = {MODEL: model}
    if is_cold:
        rows = evaluate_models(run, evaluated_on, models, frozenset())
        known = _cold_baselines(run, evaluated_on, table_sizes) if known is None else known
        return {**cold_metrics(rows, MODEL), BASELINES: known}
    if known is None:
        rated_only = evaluation_set.targets is None
        names = [name for name in run.settings.evaluate.baselines if name in RATED or not rated_only]
        models |= dict(baselines(run, train, table_sizes, names))
    rows = evaluate_models(run, evaluated_on, models, frozenset({"popularity"}))
    found = {name: _headline(rows, name) for name in models if name != MODEL}
    return {**_headline(rows, MODEL), BASELINES: {**(known or {}), **found}}


def _headline(rows: list[dict[str, Any]], model: str) -> dict[str, float]:
    metrics = headline(rows, model)
    return {name.replace("@", "_"): round(metrics[name], 6) for name in METRICS if name in metrics}


def cold_metrics(rows: list[dict[str, Any]], model: str) -> dict[str, float]:
    """Errors on cold items (of warm users) and on cold users (of warm items), and the ranking of the cold items.

    Args:
        rows: of `evaluate_models` on the data that a cold study holds out.
        model: its name in the rows.
    """
    metrics = {}
    for row in (row for row in rows if row["model"] == model):
        if row["metric"] in ("rmse", "mae") and row["value"] == c.COLD:
            metrics[f"{row['metric']}_cold_{row['slice']}"] = round(row["result"], 6)
    lists = headline(rows, model)
    return metrics | {f"ndcg_{k}_cold_items": round(lists[f"ndcg@{k}"], 6) for k in (10, 20) if f"ndcg@{k}" in lists}


def _cold_baselines(run: Run, evaluated_on: HeldOut, sizes: TableSizes) -> Metrics:
    """Baseline → metrics: means and biases for rating errors, content for lists."""
    metrics: Metrics = {}
    if evaluated_on.pairs is not None:
        makers = {"mean": mean_baseline, "bias": bias_baseline}
        models = {name: written(run, make(evaluated_on.train, sizes), sizes) for name, make in makers.items()}
        rows = evaluate_models(run, replace(evaluated_on, targets=None), models, frozenset())
        metrics |= {name: cold_metrics(rows, name) for name in models}
    if evaluated_on.targets is None:
        return metrics
    return metrics | _content_metrics(run, evaluated_on, evaluated_on.targets, sizes)


def _content_metrics(run: Run, evaluated_on: HeldOut, targets: DataFrame, sizes: TableSizes) -> Metrics:
    lists = content_baseline_lists(run, evaluated_on, targets.select(c.USER_IDX).distinct(), sizes)
    named_lists = (table.withColumn("model", f.lit(name)) for name, table in lists.items())
    ranked = ranking_metrics(
        reduce(DataFrame.unionByName, named_lists),
        targets,
        evaluated_on.catalogue,
        evaluated_on.train,
        models=list(lists),
        ks=run.settings.evaluate.ks,
        slices=1,
    )
    rows = collect_metrics(ranked)
    return {name: cold_metrics(rows, name) for name in lists}
