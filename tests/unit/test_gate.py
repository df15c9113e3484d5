"""The gate: every check passes at its threshold and fails just beyond it, alone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bgmrec.config import load_settings
from bgmrec.config.serving import GateSettings
from bgmrec.errors import QualityGateError, SettingsError
from bgmrec.publish.gate import GateInputs, TableNumbers, failed, gate_checks, refuse, widened
from bgmrec.publish.gate_table import FIXED, THRESHOLDS

TABLE = TableNumbers(
    rows=700,
    rows_with_nulls=0,
    duplicate_keys=0,
    entities=70,
    invalid_scores=0,
    scored=600,
    out_of_range=6,
    lowest=-1.5,
    highest=7.5,
    score_range=(-1.0, 7.0),
)
GOOD = GateInputs(
    tables={"recommendations": TABLE},
    list_faults={"gaps": 0},
    ratings=7000,
    user_coverage=0.95,
    catalogue_coverage=0.02,
    metric="ndcg@10",
    model_value=0.09,
    baseline_value=0.09,
    baseline_name="popularity",
    rows_before={"recommendations": 1000},
    value_before=0.12,
    ratings_before=10_000,
)
SETTINGS = GateSettings()


def table(**numbers: float) -> GateInputs:
    return replace(GOOD, tables={"recommendations": replace(TABLE, **numbers)})


BAD = {
    "rows": table(rows=0),
    "share of rows lost": table(rows=699),
    "share of ratings lost": replace(GOOD, ratings=6999),
    "rows with nulls": table(rows_with_nulls=1),
    "duplicate keys": table(duplicate_keys=1),
    "gaps": replace(GOOD, list_faults={"gaps": 1}),
    "invalid scores": table(invalid_scores=1),
    "share of scores out of range": table(out_of_range=7),
    "user coverage": replace(GOOD, user_coverage=0.9499),
    "catalogue coverage": replace(GOOD, catalogue_coverage=0.0199),
    "relative metric loss": replace(GOOD, value_before=0.1201),
    "relative metric gain": replace(GOOD, baseline_value=0.0901),
}


def names(inputs: GateInputs, settings: GateSettings = SETTINGS) -> set[str]:
    return {check.name for check in failed(gate_checks(inputs, settings))}


def test_every_check_passes_at_its_threshold() -> None:
    checks = gate_checks(GOOD, SETTINGS)
    assert {check.status for check in checks} == {"passed"}
    assert {check.name for check in checks} == set(BAD)
    assert set(BAD) - {"gaps"} == (THRESHOLDS.keys() | FIXED.keys()) - {"rules of the lists"}, "in the README"
    assert refuse(checks, None) is None and refuse(checks, "whatever") is None


@pytest.mark.parametrize("name", BAD)
def test_each_check_fails_beyond_its_threshold(name: str) -> None:
    # a table without rows has also lost rows
    assert names(BAD[name]) - ({"share of rows lost"} if name == "rows" else set()) == {name}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_each_threshold_can_be_disabled(name: str) -> None:
    off = load_settings([], [f"publish.gate.{THRESHOLDS[name][0]}=off"]).publish.gate
    assert name not in names(BAD[name], off)
    assert {check.status for check in gate_checks(BAD[name], off) if check.name == name} == {"off"}


def test_the_error_names_all_failed_checks_with_both_numbers() -> None:
    inputs = replace(GOOD, user_coverage=0.5, list_faults={"gaps": 3})
    with pytest.raises(QualityGateError, match="2 of 12 checks") as caught:
        refuse(gate_checks(inputs, SETTINGS), None)
    assert "gaps (top_n): 3, expected at most 0" in caught.value.found
    assert "user coverage (recommendations): 0.5, expected at least 0.95" in caught.value.found
    assert "--force-publish" in caught.value.hint


def test_a_forced_publication_returns_the_reason_and_the_overridden_checks() -> None:
    forced = refuse(gate_checks(replace(GOOD, user_coverage=0.5), SETTINGS), "half of the log is late")
    assert forced is not None and forced["reason"] == "half of the log is late"
    assert [(check["name"], check["measured"]) for check in forced["overridden"]] == [("user coverage", 0.5)]


def test_lower_errors_are_better() -> None:
    worse = replace(GOOD, metric="rmse", model_value=1.0, value_before=0.7, baseline_value=0.9)
    assert names(worse) == {"relative metric loss", "relative metric gain"}
    assert names(replace(worse, value_before=1.5, baseline_value=1.1)) == set()


def test_comparisons_without_an_earlier_date_or_held_out_ratings_are_skipped() -> None:
    first = replace(GOOD, model_value=None, baseline_value=None, rows_before={}, value_before=None, ratings_before=None)
    skipped = {check.name for check in gate_checks(first, SETTINGS) if check.status == "skipped"}
    assert skipped == {
        "share of rows lost",
        "share of ratings lost",
        "relative metric loss",
        "relative metric gain",
    }
    assert names(first) == set()


def test_scores_without_a_range_and_missing_lists_are_not_checked() -> None:
    name = "share of scores out of range"
    assert name not in {check.name for check in gate_checks(table(score_range=None), SETTINGS)}
    nothing = gate_checks(table(scored=0, out_of_range=0, lowest=None, highest=None), SETTINGS)
    assert [check.status for check in nothing if check.name == name] == ["skipped"]
    other = replace(GOOD, user_coverage=None, catalogue_coverage=None)
    assert names(other) == set()


def test_the_plausible_range_is_the_range_of_the_ratings_with_a_margin() -> None:
    assert widened((1.0, 5.0), 0.5) == (-1.0, 7.0) and widened(None, 0.5) is None


def test_a_failed_range_check_names_the_range_and_the_extremes() -> None:
    (check,) = failed(gate_checks(table(out_of_range=60), SETTINGS))
    assert str(check) == (
        "share of scores out of range (recommendations): 0.1, "
        "expected at most 0.01 outside -1 to 7; all scores are from -1.5 to 7.5"
    )


def test_nan_fails() -> None:
    assert names(replace(GOOD, model_value=math.nan)) == {"relative metric loss", "relative metric gain"}


@pytest.mark.parametrize("value", ["never", "-1", "1.5"])
def test_an_impossible_threshold_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"publish\.gate\.min_user_coverage"):
        load_settings([], [f"publish.gate.min_user_coverage={value}"])


@pytest.mark.parametrize(("mode", "status"), [("refuse", "failed"), ("warn", "warned"), ("off", "off")])
def test_changed_input_is_refused_named_or_ignored(mode: str, status: str) -> None:
    change = {"what": "share of nulls in year", "source": "cat", "beyond": True}
    changes = {"ratings": [], "items": [change, {**change, "beyond": False}], "users": [{**change, "beyond": False}]}
    settings = load_settings([], [f"publish.gate.input_changes={mode}"]).publish.gate
    checks = [c for c in gate_checks(replace(GOOD, input_changes=changes), settings) if c.name == "input changes"]
    none, equal = ("off", "off") if mode == "off" else ("skipped", "passed")
    assert {check.where: check.status for check in checks} == {"ratings": none, "items": status, "users": equal}
    (named,) = (check for check in checks if check.where == "items")
    assert named.measured == 1 and "share of nulls in year of cat" in named.threshold
