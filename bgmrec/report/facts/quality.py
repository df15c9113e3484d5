"""Gathers the quality of a run's model, and facts on the lists of all models, from the tables of the evaluation."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.errors import InputError
from bgmrec.evaluate.table import MODEL
from bgmrec.factorize.blocks.factors import unpack_factors
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.report.bootstrap import DRAWS, UserSums, bootstrap, estimate
from bgmrec.report.comparisons import adjust, intervals
from bgmrec.report.facts import held_out as evaluation_facts
from bgmrec.report.facts import lists as lists_facts
from bgmrec.report.facts.field_slices import LEAST, field_values, slices
from bgmrec.report.facts.held_out import HeldOutPairs
from bgmrec.report.models import main_metric
from bgmrec.run.state import Run
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage.models import StoredModel

LISTED_USERS = 500  # sample of users whose lists diversity and concentration are measured on


def quality(run: Run, stored: StoredModel) -> dict[str, Any]:
    """Metrics of all models with their intervals, by slice, and the history of the training.

    Args:
        run: the run.
        stored: its model.
    """
    rows = run.work.document("metrics")["rows"]
    facts = {"rows": rows, "history": stored.facts["history"], "best_round": stored.facts["best_round"]}
    facts["studied"] = _studied(run.settings.report.side_information)
    if not rows:
        return facts
    settings, models = run.settings, list(dict.fromkeys(row["model"] for row in rows))
    pairs = run.work.read("ratings_split").where(f.col(c.PART) == c.VALID)
    targets = pairs.where(f.col(c.RATING) >= settings.evaluate.relevant_rating)
    users = evaluation_facts.sample_users(pairs, evaluation_facts.EVALUATED_USERS, settings.seed)
    k, scored = min(settings.evaluate.ks), _evaluated(run, models, "scores")
    listed = evaluation_facts.held_in_lists(_evaluated(run, models, "top_n"), targets, users)
    rated = evaluation_facts.held_ratings(scored, pairs, users, settings.evaluate.clip)
    facts |= {"k": k, "draws": DRAWS, "sampled": users.count()}
    facts["ranking"] = intervals(evaluation_facts.ranking_sums(listed, k), settings.seed)
    facts["rating"] = intervals(evaluation_facts.rating_sums(rated), settings.seed)
    facts["comparisons"] = adjust(facts["ranking"], facts["rating"])
    facts["fields"] = _by_fields(run, stored, listed if facts["ranking"] else rated, main_metric(facts), k)
    if scored:
        train = run.work.read("ratings_split").where(f.col(c.PART) == c.TRAIN)
        clip = settings.evaluate.clip
        facts["calibration"] = evaluation_facts.calibration(scored[MODEL], pairs, clip)
        facts["errors"] = {
            side: evaluation_facts.errors_by_count(scored, pairs, train, side, clip)
            for side in (c.USER_IDX, c.ITEM_IDX)
        }
    users.unpersist()
    return facts


def _studied(path: Path | None) -> list[dict[str, Any]]:
    """Results of a study of side information; none without a file.

    Raises:
        InputError: the file does not exist, or does not hold lines of JSON.
    """
    if path is None:
        return []
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(
            "the results of a study of side information cannot be read",
            where=f"report.side_information = {path}",
            expected="a file of JSON lines, written by jobs/study.py",
            found=str(error),
            hint=f"run jobs/study.py … --side-information real,permuted,none --json {path}, or remove the setting",
        ) from None


def _evaluated(run: Run, models: list[str], table: str) -> dict[str, DataFrame]:
    """A table of the evaluation by model, where it exists."""
    stores = {model: run.scratch("evaluate").below(model) for model in models}
    return {model: store.read(table) for model, store in stores.items() if store.exists(table)}


def _by_fields(run: Run, stored: StoredModel, held_out: HeldOutPairs, metric: str, k: int) -> list[dict[str, Any]]:
    """Per field of `report.user_slices` and `item_slices` and per value: number of pairs, interval of every model."""
    settings, rows = run.settings.report, list[dict[str, Any]]()
    sums: dict[tuple[int, str], UserSums] = {}
    sides = ((c.USER_IDX, "users", settings.user_slices), (c.ITEM_IDX, "items", settings.item_slices))
    for idx_column, entities, fields in sides:
        if not fields or held_out.pairs.empty:
            continue
        idx, pair = np.unique(held_out.pairs[idx_column].to_numpy(), return_inverse=True)
        index = stored.table(f"{entities[:-1]}_index")
        values = field_values(run.work.read(entities), index, idx_column, idx, fields)
        for field in fields:
            for value, members in slices(values[field]).items():
                chosen = members[pair]
                if chosen.sum() < LEAST:
                    continue
                rows.append({"side": entities, "field": field, "value": value, "n": int(chosen.sum())})
                of_slice = (
                    evaluation_facts.rating_sums(held_out, chosen)
                    if metric == "rmse"
                    else evaluation_facts.ranking_sums(held_out, k, chosen)
                )
                sums |= {(len(rows) - 1, model): of_slice[metric, model] for model in held_out.by_model}
    if not sums:
        return []
    drawn = bootstrap(sums, draws=DRAWS, seed=run.settings.seed)
    for at, row in enumerate(rows):
        row["models"] = {m: asdict(estimate(sums[at, m].value(), drawn[at, m])) for m in held_out.by_model}
    return rows


def lists(run: Run, stored: StoredModel, names: DataFrame, published: DataFrame) -> dict[str, Any]:
    """Sources of the published lists, and popularity, novelty and diversity of the lists of all models.

    Args:
        run: the run.
        stored: its model.
        names: of `item_names`.
        published: the published recommendations.
    """
    sources = published.where(f.col(c.POSITION) == 1).groupBy(c.SOURCE).agg(f.count("*").alias("n")).collect()
    facts: dict[str, Any] = {"sources": {row[c.SOURCE]: row["n"] for row in sources}}
    rows = run.work.document("metrics")["rows"]
    evaluated_lists = _evaluated(run, list(dict.fromkeys(row["model"] for row in rows)), "top_n")
    if not evaluated_lists:
        return facts
    split, settings, k = run.work.read("ratings_split"), run.settings, min(run.settings.evaluate.ks)
    train = split.where(f.col(c.PART) == c.TRAIN)
    first_entries = {model: table.where(f.col(c.POSITION) <= k) for model, table in evaluated_lists.items()}
    facts["popularity"] = lists_facts.shown_by_popularity(first_entries, train, stored.table("item_index"))
    held_out = split.where(f.col(c.PART) == c.VALID)
    users = evaluation_facts.sample_users(held_out, LISTED_USERS, settings.seed)
    positions = lists_facts.list_positions(evaluated_lists, users, names, train, k)
    items = run.spark.createDataFrame([(int(item),) for item in set(positions[c.ITEM_IDX])], f"{c.ITEM_IDX} int")
    shape = ModelShape(**stored.facts["shape"])
    with arrow_batch(run.spark, BLOCKS_PER_BATCH):
        unpacked = unpack_factors(stored.table("item_factors"), stored.facts["item_blocks"])
        factors = lists_facts.item_rows(unpacked, items, shape.rank)
    facts["of_lists"] = lists_facts.list_facts(positions, factors, stored.facts["users"])
    users.unpersist()
    return facts | {"k": k, "listed_users": int(positions[c.USER_IDX].nunique())}
