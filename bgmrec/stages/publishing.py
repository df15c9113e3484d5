"""Last part of `recommend`: stages the tables to publish, measures them, passes the gate and promotes them."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from pyspark.sql import DataFrame

from bgmrec.config import Settings
from bgmrec.errors import InputError
from bgmrec.evaluate.table import MODEL, headline
from bgmrec.publish.contracts import CONTRACTS
from bgmrec.publish.gate import (
    SCORE_MARGIN,
    GateInputs,
    TableNumbers,
    failed,
    gate_checks,
    gate_metric,
    refuse,
    widened,
)
from bgmrec.publish.measure import listed_items, table_numbers
from bgmrec.publish.promotion import promote
from bgmrec.recommend.external import external_table
from bgmrec.run.state import Run
from bgmrec.stages.input_profile import stored_changes
from bgmrec.stages.outcome import RESULT
from bgmrec.storage.models import StoredModel

Metrics = dict[str, dict[str, float]]  # model or baseline → metric → value


def add_force_publish(parser: argparse.ArgumentParser) -> None:
    """Adds --force-publish.

    Args:
        parser: of the job.
    """
    parser.add_argument(
        "--force-publish",
        type=_reason,
        metavar="REASON",
        help="publish although checks of [publish.gate] fail; summary and manifest keep the reason and the checks",
    )


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a reason: who looked at the failed checks, and why they may fail")
    return text.strip()


def publish(run: Run, model: StoredModel, candidates: DataFrame, list_faults: dict[str, int]) -> None:
    """Stages the tables of `[publish]`, measures them, and promotes them.

    Args:
        run: the run, with its working tables `top_n` and `similar`.
        model: the model that the tables were computed with.
        candidates: item_idx of the items that lists may hold.
        list_faults: number of violations, by rule of the lists.

    Raises:
        InputError: the model was not evaluated.
        QualityGateError: checks failed, and the publication is not forced.
        PublishingError: the catalogue refused.
    """
    evaluated = evaluation(run, model)
    metrics = {name: headline(evaluated["rows"], name) for name in {row["model"] for row in evaluated["rows"]}}
    staged = _stage(run, model)
    inputs = _measure(run, model, staged, candidates, list_faults, metrics)
    checks = gate_checks(inputs, run.settings.publish.gate)
    run.summary.add("gate", checks=[asdict(check) for check in checks], failed=len(failed(checks)), forced=None)
    forced = refuse(checks, run.force_publish)
    if forced is not None:
        run.summary.add("gate", forced=forced)
        run.progress.done("gate", forced=forced["reason"], overridden=len(forced["overridden"]))
    tables = {table: {"location": location, "rows": inputs.tables[table].rows} for table, location in staged.items()}
    run.summary.add("published", **tables)
    promote(
        run.versions,
        {
            "ds": str(run.ds),
            "run_id": run.run_id,
            "tables": tables,
            "model": {"run_id": model.run_id, "location": model.location},
            "evaluation": {
                "model": evaluated["model"],
                "held_out": evaluated["held_out"],
                "metrics": metrics.get(MODEL, {}),
            },
            "ratings": inputs.ratings,
            "forced": forced,
        },
    )
    run.summary.add(RESULT, published=True)  # a later failure of the stage leaves the run published


def evaluation(run: Run, model: StoredModel) -> dict[str, Any]:
    """The document that jobs/evaluate.py wrote for this model: `model`, `held_out`, `rows` (none if 0 are held out).

    Args:
        run: of the logical date.
        model: the model that the lists are computed with.

    Raises:
        InputError: the model was not evaluated, or the metrics are those of another model of the date.
    """
    document: dict[str, Any] | None = run.work.read_json("metrics")
    if document is None or document["model"] != model.run_id:
        raise InputError(
            f"the model of run {model.run_id} was not evaluated",
            where=f"{run.work.path('metrics')}.json",
            expected=f"metrics of the model of run {model.run_id}",
            found="no such file" if document is None else f"metrics of the model of run {document['model']}",
            hint=f"run jobs/evaluate.py with --ds {run.ds} and the same settings, then the same command again; "
            "readers keep the previous version",
        )
    return document


def _stage(run: Run, model: StoredModel) -> dict[str, str]:
    """Writes the tables to publish; returns table → location."""
    return {
        table: run.versions.stage(external_table(run, model, table), table, str(run.ds), run.run_id)
        for table in run.settings.publish.tables
    }


def _measure(
    run: Run,
    model: StoredModel,
    staged: dict[str, str],
    candidates: DataFrame,
    list_faults: dict[str, int],
    metrics: Metrics,
) -> GateInputs:
    settings, before = run.settings, run.versions.manifest_before(str(run.ds)) or {}
    predicts_ratings = settings.factorize.mode == "explicit"
    score_range = widened(settings.evaluate.clip, SCORE_MARGIN) if predicts_ratings else None
    numbers: dict[str, TableNumbers] = {}
    for table in staged:
        numbers[table] = table_numbers(run.versions.read_version(table, run.run_id), CONTRACTS[table], score_range)
    user_coverage, catalogue_coverage = _coverage(run, model, staged, candidates, numbers)
    metric = gate_metric(settings, metrics.get(MODEL, {}))
    baseline = _baseline(settings, metrics, metric)
    return GateInputs(
        tables=numbers,
        list_faults=list_faults,
        ratings=model.facts["train"] + model.facts["valid"],
        user_coverage=user_coverage,
        catalogue_coverage=catalogue_coverage,
        metric=metric,
        model_value=metrics.get(MODEL, {}).get(metric),
        baseline_value=metrics[baseline][metric] if baseline else None,
        baseline_name=baseline,
        rows_before={table: facts["rows"] for table, facts in before.get("tables", {}).items()},
        value_before=before.get("evaluation", {}).get("metrics", {}).get(metric),
        ratings_before=before.get("ratings"),
        input_changes=stored_changes(run),
    )


def _baseline(settings: Settings, metrics: Metrics, metric: str) -> str | None:
    """The baseline that the gate compares with: the one that the settings name, or the first that has the metric."""
    named = settings.publish.gate.baseline
    names = settings.evaluate.baselines if named is None else [named]
    return next((name for name in names if metric in metrics.get(name, {})), None)


def _coverage(
    run: Run, model: StoredModel, staged: dict[str, str], candidates: DataFrame, numbers: dict[str, TableNumbers]
) -> tuple[float | None, float | None]:
    """Share of the indexed users that have a list, and share of the candidates that occur in some list."""
    if "recommendations" not in staged:
        return None, None
    listed = listed_items(run.versions.read_version("recommendations", run.run_id))
    return numbers["recommendations"].entities / model.facts["users"], listed / candidates.count()
