"""From lists to what readers see: staged beside it, measured, passed through the gate, switched to.

No job of its own: what recommend does last.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from pyspark.sql import DataFrame

from bgmrec.config import Settings
from bgmrec.evaluate.table import MODEL, headline
from bgmrec.publish.contracts import CONTRACTS
from bgmrec.publish.gate import GateInputs, TableNumbers, failed, gate_checks, gate_metric, refuse, widened
from bgmrec.publish.measure import listed_items, table_numbers
from bgmrec.recommend.external import external_table
from bgmrec.run.state import Run
from bgmrec.storage.models import StoredModel


def add_force_publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--force-publish",
        type=_reason,
        metavar="REASON",
        help="publish although checks of [publish.gate] fail; summary and manifest keep the reason and the checks",
    )


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("a reason is needed: who looked at the checks, and why they do not matter")
    return text.strip()


def publish(run: Run, model: StoredModel, candidates: DataFrame, list_faults: dict[str, int]) -> None:
    """Stages the tables of [publish], measures them, and makes them the published ones.

    Args:
        run: the night, whose `top_n` and `similar` are written.
        model: that made them.
        shown: the items that may be shown.
        list_faults: broken rules of the lists, by rule.

    Raises:
        QualityGateError: the gate refused, and the publication is not forced.
        PublishingError: the switch failed.
    """
    staged = _stage(run, model)
    metrics = _metrics(run)
    inputs = _measure(run, model, staged, candidates, list_faults, metrics)
    checks = gate_checks(inputs, run.settings.publish.gate)
    run.summary.add("gate", checks=[asdict(check) for check in checks], failed=len(failed(checks)), forced=None)
    forced = refuse(checks, run.force_publish)
    if forced is not None:
        run.summary.add("gate", forced=forced)
        run.progress.done("gate", forced=forced["reason"], overridden=len(forced["overridden"]))
    tables = {table: {"location": location, "rows": inputs.tables[table].rows} for table, location in staged.items()}
    run.summary.add("published", **tables)
    run.versions.promote(
        {
            "ds": str(run.ds),
            "run_id": run.run_id,
            "tables": tables,
            "model": {"run_id": model.run_id, "location": model.location},
            "metrics": metrics.get(MODEL, {}),
            "ratings": inputs.ratings,
            "forced": forced,
        }
    )


def _stage(run: Run, model: StoredModel) -> dict[str, str]:
    by_run = str(run.ds), run.run_id
    return {
        table: run.versions.stage(external_table(run, model, table), table, *by_run)
        for table in run.settings.publish.tables
    }


def _metrics(run: Run) -> dict[str, dict[str, float]]:
    """Overall metrics of the model and the baselines; empty where nothing was held out."""
    rows = run.work.read_json("metrics") or []
    return {name: headline(rows, name) for name in {row["model"] for row in rows}}


def _measure(
    run: Run,
    model: StoredModel,
    staged: dict[str, str],
    candidates: DataFrame,
    list_faults: dict[str, int],
    metrics: dict[str, dict[str, float]],
) -> GateInputs:
    settings, before = run.settings, run.versions.manifest_before(str(run.ds)) or {}
    explicit = settings.factorize.mode == "explicit"
    ratings = widened(settings.evaluate.clip, settings.publish.gate.score_margin) if explicit else None
    numbers: dict[str, TableNumbers] = {}
    for table, location in staged.items():
        rows = run.spark.read.parquet(location)
        numbers[table] = table_numbers(rows, CONTRACTS[table], ratings)
    of_users, of_music = _coverage(run, model, staged, candidates, numbers)
    metric = gate_metric(settings, metrics.get(MODEL, {}))
    baseline = _baseline(settings, metrics, metric)
    return GateInputs(
        tables=numbers,
        list_faults=list_faults,
        ratings=model.facts["train"] + model.facts["valid"],
        user_coverage=of_users,
        catalogue_coverage=of_music,
        metric=metric,
        value=metrics.get(MODEL, {}).get(metric),
        baseline=metrics[baseline][metric] if baseline else None,
        baseline_name=baseline,
        rows_before={table: facts["rows"] for table, facts in before.get("tables", {}).items()},
        value_before=before.get("metrics", {}).get(metric),
        ratings_before=before.get("ratings"),
    )


def _baseline(settings: Settings, metrics: dict[str, dict[str, float]], metric: str) -> str | None:
    """The baseline that the gate compares with: the one that the settings name, or the first that has the metric."""
    named = settings.publish.gate.baseline
    names = settings.evaluate.baselines if named is None else [named]
    return next((name for name in names if metric in metrics.get(name, {})), None)


def _coverage(
    run: Run, model: StoredModel, staged: dict[str, str], candidates: DataFrame, numbers: dict[str, TableNumbers]
) -> tuple[float | None, float | None]:
    """Shares of the indexed users and of the candidates that are in some published list."""
    if "recommendations" not in staged:
        return None, None
    listed = listed_items(run.spark.read.parquet(staged["recommendations"]))
    return numbers["recommendations"].entities / model.facts["users"], listed / candidates.count()
