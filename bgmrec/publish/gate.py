"""The gate: compares what was measured on the staged tables with `[publish.gate]`, without Spark.

Each rule yields its checks, each with the measured number and its threshold. A check that is disabled, or that has
nothing to compare with, says so. The summary holds all checks, the error names all failed ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bgmrec.config import Settings
from bgmrec.config.metrics import LOWER_IS_BETTER
from bgmrec.config.serving import GateSettings
from bgmrec.errors import QualityGateError, SettingsError
from bgmrec.publish.checks import Check, at_least, at_most, input_checks, number_text

# Such rows are faults of bgmrec itself and not of the data, so that no setting allows any.
NONE_ALLOWED = 0
# How far predictions may leave the scale at either end, as a share of its width: those further out count.
SCORE_MARGIN = 0.5


@dataclass(frozen=True)
class TableNumbers:
    """Counts of one staged table.

    Args:
        rows: number of rows.
        rows_with_nulls: rows with a null in a column that the contract requires.
        duplicate_keys: rows beyond the first of their key.
        entities: distinct values of the first key column.
        invalid_scores: scores that are not finite, or outside the range of the contract.
        scored: rows with a finite score of the model.
        out_of_range: of these, the rows outside `score_range`.
        lowest: lowest finite score of the model; None: no such score.
        highest: highest one.
        score_range: (lowest, highest) plausible score; None: not checked.
    """

    rows: int
    rows_with_nulls: int
    duplicate_keys: int
    entities: int
    invalid_scores: int
    scored: int
    out_of_range: int
    lowest: float | None
    highest: float | None
    score_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class GateInputs:
    """All numbers that the gate checks. "Before" is the newest earlier published date.

    Args:
        tables: counts by staged table.
        list_faults: number of violations, by rule of the lists.
        ratings: number of ratings that the model was trained on.
        user_coverage: share of the indexed users that have a list; None: no lists are published.
        catalogue_coverage: share of the candidates that occur in some list; None: no lists are published.
        metric: name of the compared metric.
        model_value: the model's value of it; None: no ratings were held out.
        baseline_value: the baseline's value of it; None: the baseline was not evaluated, or does not have the metric.
        baseline_name: name of the baseline.
        rows_before: rows by table before; empty: no earlier date is published.
        value_before: the model's value of the metric before.
        ratings_before: number of training ratings before.
        input_changes: how the input differs from the runs before, by table; of `bgmrec.ingest.drift`.
    """

    tables: Mapping[str, TableNumbers]
    list_faults: Mapping[str, int]
    ratings: int
    user_coverage: float | None
    catalogue_coverage: float | None
    metric: str
    model_value: float | None
    baseline_value: float | None
    baseline_name: str | None = None
    rows_before: Mapping[str, int] = field(default_factory=dict)
    value_before: float | None = None
    ratings_before: int | None = None
    input_changes: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def gate_checks(inputs: GateInputs, settings: GateSettings) -> list[Check]:
    """All checks, in the order of the rules.

    Args:
        inputs: the measured numbers.
        settings: `[publish.gate]`.
    """
    return [check for rule in _RULES for check in rule(inputs, settings)]


def _input(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    yield from input_checks(inputs.input_changes, settings)


def failed(checks: list[Check]) -> list[Check]:
    """The checks that failed.

    Args:
        checks: of the gate.
    """
    return [check for check in checks if check.status == "failed"]


def refuse(checks: list[Check], forced: str | None) -> dict[str, Any] | None:
    """Raises if checks failed, unless the publication is forced.

    Args:
        checks: of the gate.
        forced: reason for publishing nevertheless; None: the gate applies.

    Returns:
        the reason and the overridden checks; None if no check failed.

    Raises:
        QualityGateError: checks failed; the error names all of them.
    """
    failures = failed(checks)
    if not failures:
        return None
    if forced is not None:
        return {"reason": forced, "overridden": [asdict(check) for check in failures]}
    raise QualityGateError(
        f"{len(failures)} of {len(checks)} checks before publishing failed",
        where="[publish.gate]",
        found="".join(f"\n    {check}" for check in failures),
        hint="readers keep the previous version. Look for the cause in the summary of the run. If the tables are "
        "right, correct the threshold and run the same command again, or publish once with "
        '--force-publish "REASON"',
    )


def _rows(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for table, numbers in inputs.tables.items():
        yield at_least("rows", table, numbers.rows, settings.min_rows)


def _shrink(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for table, numbers in inputs.tables.items():
        before = inputs.rows_before.get(table)
        yield _loss("share of rows lost", table, numbers.rows, before, settings.max_shrink_share)
    limit = settings.max_ratings_lost_share
    yield _loss("share of ratings lost", "ratings", inputs.ratings, inputs.ratings_before, limit)


def _loss(name: str, where: str, rows: int, before: int | None, limit: float | None) -> Check:
    share = (before - rows) / before if before else None
    return at_most(name, where, share, limit, f" of the previous date's {before:,} rows" if before else "")


def _nulls(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for table, numbers in inputs.tables.items():
        yield at_most("rows with nulls", table, numbers.rows_with_nulls, NONE_ALLOWED)


def _duplicates(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for table, numbers in inputs.tables.items():
        yield at_most("duplicate keys", table, numbers.duplicate_keys, NONE_ALLOWED)


def _faults(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for rule, count in inputs.list_faults.items():
        yield at_most(rule, "top_n", count, NONE_ALLOWED)


def _scores(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for table, numbers in inputs.tables.items():
        yield at_most("invalid scores", table, numbers.invalid_scores, NONE_ALLOWED)
        if numbers.score_range is not None:
            # a share and not the extremes: of 1e9 predictions a few are far out in the best of models
            share = numbers.out_of_range / numbers.scored if numbers.scored else None
            low, high = (number_text(bound) for bound in numbers.score_range)
            lowest, highest = number_text(numbers.lowest), number_text(numbers.highest)
            suffix = f" outside {low} to {high}; all scores are from {lowest} to {highest}"
            yield at_most("share of scores out of range", table, share, settings.max_out_of_range_share, suffix)


def widened(bounds: tuple[float, float] | None, margin: float) -> tuple[float, float] | None:
    """The range of plausible predictions: the ratings' range with a margin at both ends.

    Args:
        bounds: (lowest, highest) rating; None: not bounded.
        margin: share of the range's width.
    """
    if bounds is None:
        return None
    more = margin * (bounds[1] - bounds[0])
    return bounds[0] - more, bounds[1] + more


def _coverage(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    users, items = inputs.user_coverage, inputs.catalogue_coverage
    yield at_least("user coverage", "recommendations", users, settings.min_user_coverage)
    yield at_least("catalogue coverage", "recommendations", items, settings.min_catalogue_coverage)


def _metric(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    loss = _relative_loss(inputs.metric, inputs.model_value, inputs.value_before)
    suffix = "" if loss is None else f" of the previous date's {number_text(inputs.value_before)}"
    yield at_most("relative metric loss", inputs.metric, loss, settings.max_metric_loss, suffix)
    loss = _relative_loss(inputs.metric, inputs.model_value, inputs.baseline_value)
    gain = None if loss is None else -loss
    suffix = "" if loss is None else f" over {number_text(inputs.baseline_value)} of {inputs.baseline_name}"
    yield at_least("relative metric gain", inputs.metric, gain, settings.min_metric_gain, suffix)


def _relative_loss(metric: str, value: float | None, reference: float | None) -> float | None:
    """Share by which the value is worse than the reference; None if either is missing or the reference is 0."""
    if value is None or not reference:
        return None
    fallen = (reference - value) / reference
    return -fallen if metric.split("@")[0] in LOWER_IS_BETTER else fallen


_RULES: tuple[Callable[[GateInputs, GateSettings], Iterator[Check]], ...] = (
    _rows,
    _shrink,
    _nulls,
    _duplicates,
    _faults,
    _scores,
    _coverage,
    _metric,
    _input,
)


def gate_metric(settings: Settings, evaluated: dict[str, float]) -> str:
    """Name of the metric that the gate compares.

    Args:
        settings: of the run.
        evaluated: the model's metrics by name; empty: no ratings were held out.

    Raises:
        SettingsError: `publish.gate.metric` names a metric that was not evaluated.
    """
    named = settings.publish.gate.metric
    if named is not None and evaluated and named not in evaluated:
        raise SettingsError(
            "publish.gate.metric names a metric that was not evaluated",
            where="publish.gate.metric",
            expected=f"one of: {', '.join(sorted(evaluated))}",
            found=named,
            hint="name one of these; for another cut-off add it to evaluate.ks and run jobs/evaluate.py again",
        )
    return settings.gate_metric
