"""The gate by hand: every rule passes at its threshold and fails right behind it, alone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bgmrec.config import load_settings
from bgmrec.config.serving import GateSettings
from bgmrec.errors import QualityGateError, SettingsError
from bgmrec.publish.gate import GateInputs, TableNumbers, failed, gate_checks, refuse, widened

TABLE = TableNumbers(
    rows=700,
    null_keys=0,
    duplicate_keys=0,
    entities=70,
    impossible=0,
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
    value=0.09,
    baseline=0.09,
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
    "rows with nulls": table(null_keys=1),
    "rows that repeat a key": table(duplicate_keys=1),
    "gaps": replace(GOOD, list_faults={"gaps": 1}),
    "scores that cannot be": table(impossible=1),
    "share of scores out of range": table(out_of_range=7),
    "share of users with a list": replace(GOOD, user_coverage=0.9499),
    "share of the music in lists": replace(GOOD, catalogue_coverage=0.0199),
    "share of the metric lost": replace(GOOD, value_before=0.1201),
    "share of the metric won": replace(GOOD, baseline=0.0901),
}
KEYS = {
    "rows": "min_rows",
    "share of rows lost": "max_shrink_share",
    "share of ratings lost": "max_ratings_lost_share",
    "rows with nulls": "max_null_keys",
    "rows that repeat a key": "max_duplicate_keys",
    "gaps": "max_list_faults",
    "scores that cannot be": "max_bad_scores",
    "share of scores out of range": "max_out_of_range_share",
    "share of users with a list": "min_user_coverage",
    "share of the music in lists": "min_catalogue_coverage",
    "share of the metric lost": "max_metric_loss",
    "share of the metric won": "min_metric_gain",
}


def names(night: GateInputs, settings: GateSettings = SETTINGS) -> set[str]:
    return {check.name for check in failed(gate_checks(night, settings))}


def test_at_its_thresholds_a_night_passes_every_check() -> None:
    checks = gate_checks(GOOD, SETTINGS)
    assert {check.status for check in checks} == {"passed"}
    assert {check.name for check in checks} == set(KEYS)
    assert refuse(checks, None) is None and refuse(checks, "whatever") is None


@pytest.mark.parametrize("name", KEYS)
def test_each_rule_fails_behind_its_threshold_and_can_be_switched_off(name: str) -> None:
    # no rows are lost rows, too
    assert names(BAD[name]) - ({"share of rows lost"} if name == "rows" else set()) == {name}
    off = load_settings([], [f"publish.gate.{KEYS[name]}=off"]).publish.gate
    assert name not in names(BAD[name], off)
    assert {check.status for check in gate_checks(BAD[name], off) if check.name == name} == {"off"}


def test_all_failed_checks_are_told_at_once_with_both_numbers() -> None:
    night = replace(GOOD, user_coverage=0.5, list_faults={"gaps": 3})
    with pytest.raises(QualityGateError, match="2 of 12 checks") as caught:
        refuse(gate_checks(night, SETTINGS), None)
    assert "gaps (top_n): 3, wanted at most 0" in caught.value.found
    assert "share of users with a list (recommendations): 0.5, wanted at least 0.95" in caught.value.found
    assert "--force-publish" in caught.value.hint


def test_a_forced_publication_keeps_the_reason_and_what_it_overrode() -> None:
    forced = refuse(gate_checks(replace(GOOD, user_coverage=0.5), SETTINGS), "half of the log is late")
    assert forced is not None and forced["reason"] == "half of the log is late"
    assert [(check["name"], check["measured"]) for check in forced["overridden"]] == [
        ("share of users with a list", 0.5)
    ]


def test_less_is_better_for_errors() -> None:
    worse = replace(GOOD, metric="rmse", value=1.0, value_before=0.7, baseline=0.9)
    assert names(worse) == {"share of the metric lost", "share of the metric won"}
    assert names(replace(worse, value_before=1.5, baseline=1.1)) == set()


def test_a_first_night_without_validation_compares_nothing_that_is_missing() -> None:
    first = replace(GOOD, value=None, baseline=None, rows_before={}, value_before=None, ratings_before=None)
    skipped = {check.name for check in gate_checks(first, SETTINGS) if check.status == "skipped"}
    assert skipped == {
        "share of rows lost",
        "share of ratings lost",
        "share of the metric lost",
        "share of the metric won",
    }
    assert names(first) == set()


def test_without_a_range_and_without_lists_nothing_is_asked_of_them() -> None:
    name = "share of scores out of range"
    assert name not in {check.name for check in gate_checks(table(score_range=None), SETTINGS)}
    nothing = gate_checks(table(scored=0, out_of_range=0, lowest=None, highest=None), SETTINGS)
    assert [check.status for check in nothing if check.name == name] == ["skipped"]
    other = replace(GOOD, user_coverage=None, catalogue_coverage=None)
    assert names(other) == set()


def test_predictions_may_leave_the_range_of_the_ratings_by_a_share_of_its_width() -> None:
    assert widened((1.0, 5.0), 0.5) == (-1.0, 7.0) and widened(None, 0.5) is None


def test_who_reads_that_scores_are_out_of_range_learns_which_range_and_how_far() -> None:
    (check,) = failed(gate_checks(table(out_of_range=60), SETTINGS))
    assert str(check) == (
        "share of scores out of range (recommendations): 0.1, "
        "wanted at most 0.01 outside -1 to 7; all are from -1.5 to 7.5"
    )


def test_what_is_no_number_fails() -> None:
    assert names(replace(GOOD, value=math.nan)) == {"share of the metric lost", "share of the metric won"}


@pytest.mark.parametrize("value", ["never", "-1", "1.5"])
def test_a_threshold_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"publish\.gate\.min_user_coverage"):
        load_settings([], [f"publish.gate.min_user_coverage={value}"])
