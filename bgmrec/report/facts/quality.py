"""Gathers how good a night's model is, and what the lists of all models show, from what the evaluation left.

No job of its own: a part of report.
"""

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
from bgmrec.report.bootstrap import UserSums, bootstrap, difference, estimate
from bgmrec.report.facts import held_out as evaluation_facts
from bgmrec.report.facts import lists as lists_facts
from bgmrec.report.facts.field_slices import LEAST, field_values, slices
from bgmrec.report.facts.held_out import Held
from bgmrec.report.metric_names import main_metric
from bgmrec.run.state import Run
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage.models import StoredModel


def quality(run: Run, stored: StoredModel) -> dict[str, Any]:
    """Metrics of all models with their intervals, by slice, and how the model was learnt."""
    rows = run.work.document("metrics")
    facts = {"rows": rows, "history": stored.facts["history"], "best_round": stored.facts["best_round"]}
    facts["studied"] = _studied(run.settings.report.side_information)
    if not rows:
        return facts
    settings, models = run.settings, list(dict.fromkeys(row["model"] for row in rows))
    pairs = run.work.read("ratings_split").where(f.col(c.PART) == c.VALID)
    targets = pairs.where(f.col(c.RATING) >= settings.evaluate.relevant_rating)
    users = evaluation_facts.sample_users(pairs, settings.report.evaluated_users, settings.seed)
    k, scored = min(settings.evaluate.ks), _evaluated(run, models, "scores")
    listed = evaluation_facts.held_in_lists(_evaluated(run, models, "top_n"), targets, users)
    rated = evaluation_facts.held_ratings(scored, pairs, users, settings.evaluate.clip)
    facts |= {"k": k, "draws": settings.report.draws, "sampled": users.count()}
    facts["ranking"] = _intervals(run, evaluation_facts.ranking_sums(listed, k))
    facts["rating"] = _intervals(run, evaluation_facts.rating_sums(rated))
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
    """Results of a study of side information.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    if path is None:
        return []
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(
            "the report finds no study of side information",
            where=f"report.side_information = {path}",
            expected="lines of JSON",
            found=str(error),
            hint=f"jobs/study.py … --side-information real,permuted,none --json {path}, or leave the setting out",
        ) from None


def _evaluated(run: Run, models: list[str], table: str) -> dict[str, DataFrame]:
    """What the evaluation wrote of every model, where it did."""
    positions = {model: run.scratch("evaluate").below(model) for model in models}
    return {model: folder.read(table) for model, folder in positions.items() if folder.exists(table)}


def _intervals(run: Run, sums: evaluation_facts.Sums) -> dict[str, dict[str, dict[str, Any]]]:
    """metric → model → value, low, high, and under `lead` how far the model is before each baseline."""
    if not sums or not len(next(iter(sums.values())).numerator):
        return {}
    drawn = bootstrap(sums, draws=run.settings.report.draws, seed=run.settings.seed)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (metric, model), own in sums.items():
        entry: dict[str, Any] = asdict(estimate(own.value(), drawn[metric, model]))
        if model != MODEL:
            ahead = sums[metric, MODEL].value() - own.value()
            entry["lead"] = asdict(difference(ahead, drawn[metric, MODEL], drawn[metric, model]))
        found.setdefault(metric, {})[model] = entry
    return found


def _by_fields(run: Run, stored: StoredModel, held: Held, metric: str, k: int) -> list[dict[str, Any]]:
    """Per field that the settings name, and per value of it: the pairs behind it, and every model's interval."""
    settings, found = run.settings.report, list[dict[str, Any]]()
    sums: dict[tuple[int, str], UserSums] = {}
    sides = ((c.USER_IDX, "users", settings.user_slices), (c.ITEM_IDX, "items", settings.item_slices))
    for idx_column, entities, fields in sides:
        if not fields or held.pairs.empty:
            continue
        idx, pair = np.unique(held.pairs[idx_column].to_numpy(), return_inverse=True)
        index = stored.table(f"{entities[:-1]}_index")
        known = field_values(run.work.read(entities), index, idx_column, idx, fields)
        for field in fields:
            for value, members in slices(known[field]).items():
                chosen = members[pair]
                if chosen.sum() < LEAST:
                    continue
                found.append({"side": entities, "field": field, "value": value, "n": int(chosen.sum())})
                own = (
                    evaluation_facts.rating_sums(held, chosen)
                    if metric == "rmse"
                    else evaluation_facts.ranking_sums(held, k, chosen)
                )
                sums |= {(len(found) - 1, model): own[metric, model] for model in held.made}
    if not sums:
        return []
    drawn = bootstrap(sums, draws=settings.draws, seed=run.settings.seed)
    for at, row in enumerate(found):
        row["models"] = {m: asdict(estimate(sums[at, m].value(), drawn[at, m])) for m in held.made}
    return found


def lists(run: Run, stored: StoredModel, names: DataFrame, made: DataFrame) -> dict[str, Any]:
    """What the lists of all models show of the catalogue; `made`: the model's, in external ids."""
    sources = made.where(f.col(c.POSITION) == 1).groupBy(c.SOURCE).agg(f.count("*").alias("n")).collect()
    facts: dict[str, Any] = {"sources": {row[c.SOURCE]: row["n"] for row in sources}}
    rows = run.work.document("metrics")
    ranked = _evaluated(run, list(dict.fromkeys(row["model"] for row in rows)), "top_n")
    if not ranked:
        return facts
    split, settings, k = run.work.read("ratings_split"), run.settings, min(run.settings.evaluate.ks)
    train = split.where(f.col(c.PART) == c.TRAIN)
    cut = {model: table.where(f.col(c.POSITION) <= k) for model, table in ranked.items()}
    facts["popularity"] = lists_facts.shown_by_popularity(cut, train, stored.table("item_index"))
    evaluated = split.where(f.col(c.PART) == c.VALID)
    users = evaluation_facts.sample_users(evaluated, settings.report.listed_users, settings.seed)
    positions = lists_facts.list_positions(ranked, users, names, train, k)
    wanted = run.spark.createDataFrame([(int(one),) for one in set(positions[c.ITEM_IDX])], f"{c.ITEM_IDX} int")
    shape = ModelShape(**stored.facts["shape"])
    with arrow_batch(run.spark, BLOCKS_PER_BATCH):
        unpacked = unpack_factors(stored.table("item_factors"), stored.facts["item_blocks"])
        factors = lists_facts.item_rows(unpacked, wanted, shape.rank)
    facts["of_lists"] = lists_facts.list_facts(positions, factors, stored.facts["users"])
    users.unpersist()
    return facts | {"k": k, "listed_users": int(positions[c.USER_IDX].nunique())}
