"""The gate before the switch: what was measured on the tables to publish against [publish.gate], without Spark.

Every rule yields its checks, each with the number that was measured and the one that was wanted; a check that is
switched off, or has nothing to compare with, says so. All checks stand in the summary, all failed ones in the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bgmrec.config import Settings
from bgmrec.config.serving import GateSettings
from bgmrec.errors import QualityGateError, SettingsError

Status = Literal["passed", "failed", "off", "skipped"]
FALLING = ("rmse", "mae")  # metrics of which less is better


@dataclass(frozen=True)
class Check:
    """One number beside its threshold.

    Args:
        name: of the check.
        where: the table or metric that it looks at.
        status: off: the settings switch it off; skipped: there is nothing to measure or to compare with.
        measured: the number found.
        wanted: the threshold in words, with its number.
    """

    name: str
    where: str
    status: Status
    measured: float | None
    wanted: str

    def __str__(self) -> str:
        return f"{self.name} ({self.where}): {_text(self.measured)}, wanted {self.wanted}"


@dataclass(frozen=True)
class TableNumbers:
    """What was counted in one table to publish.

    Args:
        rows: of the table.
        null_keys: rows with a null in a column that must have a value.
        duplicate_keys: rows beyond the first of their key.
        entities: distinct values of the first key.
        impossible: scores that are no finite numbers, or that leave the contract's own range.
        scored: rows with a finite score of the model.
        out_of_range: of these, the ones outside `score_range`.
        lowest: the lowest of these scores; none: there is none.
        highest: the highest.
        score_range: that nearly all predictions must keep to; none: these are no predictions, or may be any.
    """

    rows: int
    null_keys: int
    duplicate_keys: int
    entities: int
    impossible: int
    scored: int
    out_of_range: int
    lowest: float | None
    highest: float | None
    score_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class GateInputs:
    """Everything that the gate looks at.

    Args:
        tables: to publish.
        list_faults: broken rules of the lists, by rule.
        ratings: that the model was learnt from.
        user_coverage: share of the indexed users that have a list; none: lists are not published.
        catalogue_coverage: share of the candidates that some list holds; none: the same.
        metric: name of the validation metric.
        value: the model's; none: nothing was held out.
        baseline: the baseline's; none: it has none, or was not judged.
        baseline_name: which one that is.
        rows_before: rows by table of the newest earlier date; empty: there is none.
        value_before: its metric.
        ratings_before: the ratings it was learnt from.
    """

    tables: Mapping[str, TableNumbers]
    list_faults: Mapping[str, int]
    ratings: int
    user_coverage: float | None
    catalogue_coverage: float | None
    metric: str
    value: float | None
    baseline: float | None
    baseline_name: str | None = None
    rows_before: Mapping[str, int] = field(default_factory=dict)
    value_before: float | None = None
    ratings_before: int | None = None


def gate_checks(inputs: GateInputs, settings: GateSettings) -> list[Check]:
    """All checks, in the order of the settings."""
    return [check for rule in _RULES for check in rule(inputs, settings)]


def failed(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.status == "failed"]


def refuse(checks: list[Check], forced: str | None) -> dict[str, Any] | None:
    """Stops at failed checks, unless the publication is forced; returns what was overridden and why.

    Raises:
        QualityGateError: checks failed; all of them are named.
    """
    broken = failed(checks)
    if not broken:
        return None
    if forced is not None:
        return {"reason": forced, "overridden": [asdict(check) for check in broken]}
    raise QualityGateError(
        f"{len(broken)} of {len(checks)} checks before publishing failed",
        where="[publish.gate]",
        found="".join(f"\n    {check}" for check in broken),
        hint="look for the cause in the summary of the run; what was published before stays. If the tables are right, "
        'correct the threshold, or publish once with --force-publish "why"',
    )


def _rows(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for table, numbers in inputs.tables.items():
        yield _at_least("rows", table, numbers.rows, settings.min_rows)


def _shrink(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for table, numbers in inputs.tables.items():
        before = inputs.rows_before.get(table)
        yield _lost("share of rows lost", table, numbers.rows, before, settings.max_shrink_share)
    limit = settings.max_ratings_lost_share
    yield _lost("share of ratings lost", "ratings", inputs.ratings, inputs.ratings_before, limit)


def _lost(name: str, where: str, rows: int, before: int | None, limit: float | None) -> Check:
    lost = (before - rows) / before if before else None
    return _at_most(name, where, lost, limit, f" of {before:,} rows the night before" if before else "")


def _nulls(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for table, numbers in inputs.tables.items():
        yield _at_most("rows with nulls", table, numbers.null_keys, settings.max_null_keys)


def _duplicates(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for table, numbers in inputs.tables.items():
        yield _at_most("rows that repeat a key", table, numbers.duplicate_keys, settings.max_duplicate_keys)


def _faults(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for rule, count in inputs.list_faults.items():
        yield _at_most(rule, "top_n", count, settings.max_list_faults)


def _scores(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    for table, numbers in inputs.tables.items():
        yield _at_most("scores that cannot be", table, numbers.impossible, settings.max_bad_scores)
        if numbers.score_range is not None:
            # a share and not the extremes: of 1e9 predictions a few lie far out in the best of models
            outside = numbers.out_of_range / numbers.scored if numbers.scored else None
            low, high = (_text(bound) for bound in numbers.score_range)
            beside = f" outside {low} to {high}; all are from {_text(numbers.lowest)} to {_text(numbers.highest)}"
            yield _at_most("share of scores out of range", table, outside, settings.max_out_of_range_share, beside)


def widened(bounds: tuple[float, float] | None, margin: float) -> tuple[float, float] | None:
    """The ratings' range and a margin at both ends, which nearly all predictions should keep to.

    Args:
        bounds: of the ratings; none: they have none.
        margin: as a share of the range's width.
    """
    if bounds is None:
        return None
    more = margin * (bounds[1] - bounds[0])
    return bounds[0] - more, bounds[1] + more


def _coverage(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    of_users, of_music = inputs.user_coverage, inputs.catalogue_coverage
    yield _at_least("share of users with a list", "recommendations", of_users, settings.min_user_coverage)
    yield _at_least("share of the music in lists", "recommendations", of_music, settings.min_catalogue_coverage)


def _metric(inputs: GateInputs, settings: GateSettings) -> Iterator[Check]:
    lost = _loss(inputs.metric, inputs.value, inputs.value_before)
    beside = "" if lost is None else f" of {_text(inputs.value_before)} the night before"
    yield _at_most("share of the metric lost", inputs.metric, lost, settings.max_metric_loss, beside)
    loss = _loss(inputs.metric, inputs.value, inputs.baseline)
    gain = None if loss is None else -loss
    beside = "" if loss is None else f" over {_text(inputs.baseline)} of {inputs.baseline_name}"
    yield _at_least("share of the metric won", inputs.metric, gain, settings.min_metric_gain, beside)


def _loss(metric: str, value: float | None, other: float | None) -> float | None:
    """The share by which the value is worse than the other; none where either is missing, or the other 0."""
    if value is None or not other:
        return None
    fallen = (other - value) / other
    return -fallen if metric.split("@")[0] in FALLING else fallen


_RULES: tuple[Callable[[GateInputs, GateSettings], Iterator[Check]], ...] = (
    _rows,
    _shrink,
    _nulls,
    _duplicates,
    _faults,
    _scores,
    _coverage,
    _metric,
)


def _at_least(name: str, where: str, measured: float | None, limit: float | None, beside: str = "") -> Check:
    holds = measured is not None and limit is not None and measured >= limit
    return Check(name, where, _status(measured, limit, holds), measured, _wanted("at least", limit, beside))


def _at_most(name: str, where: str, measured: float | None, limit: float | None, beside: str = "") -> Check:
    holds = measured is not None and limit is not None and measured <= limit
    return Check(name, where, _status(measured, limit, holds), measured, _wanted("at most", limit, beside))


def _status(measured: float | None, limit: float | None, holds: bool) -> Status:
    if limit is None:
        return "off"
    if measured is None:
        return "skipped"
    return "passed" if holds else "failed"  # a NaN holds nowhere


def _wanted(word: str, limit: float | None, beside: str) -> str:
    return "anything" if limit is None else f"{word} {_text(limit)}{beside}"


def _text(number: float | None) -> str:
    if number is None:
        return "nothing"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"


def gate_metric(settings: Settings, evaluated: dict[str, float]) -> str:
    """The name of the metric that the gate compares.

    Raises:
        SettingsError: the settings name one that is not judged.
    """
    named = settings.publish.gate.metric
    if named is not None and evaluated and named not in evaluated:
        raise SettingsError(
            "publish.gate.metric is not among the metrics of the night",
            where="publish.gate.metric",
            expected=f"one of: {', '.join(sorted(evaluated))}",
            found=named,
            hint="correct it; [evaluate] says at which cut-offs lists are judged",
        )
    return named or ("rmse" if settings.factorize.mode == "explicit" else f"ndcg@{settings.evaluate.ks[0]}")
