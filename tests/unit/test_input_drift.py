"""What a night's profile is compared by: the stability index, noise of few rows, and each bound alone."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgmrec.config.profile import ProfileSettings
from bgmrec.ingest.drift import Change, compare, stability_index
from bgmrec.ingest.sketch import BUCKETS, estimated_distinct

SETTINGS = ProfileSettings()
STARS = [["4.0", 4000], ["5.0", 3000], ["3.0", 2000], ["1.0", 1000]]
QUANTILES = [n / 10 for n in range(201)]


def source() -> dict[str, Any]:
    return {
        "format": "csv",
        "files": 2,
        "bytes": 1000,
        "encodings": {"UTF-8": 2},
        "rows": {"kept": 10_000, "rejected": 100, "filtered": 5, "after_window": 0},
        "ids": {
            "user_id": {"distinct": 900, "new_share": 0.1, "non_ascii": 0, "point_zero": 0, "largest_share": 0.01},
            "item_id": {"distinct": 90, "new_share": None, "non_ascii": 10, "point_zero": 0, "largest_share": 0.1},
        },
        "fields": {
            "rating": {"kind": "number", "nulls": 0, "sampled": 10_000, "values": 4, "top": STARS, "quantiles": None},
            "length": {
                "kind": "number",
                "nulls": 100,
                "sampled": 9900,
                "values": 9000,
                "top": [["7.0", 3]],
                "quantiles": QUANTILES,
            },
        },
    }


def changed(**parts: Any) -> dict[str, Any]:
    """The source with other values: `ids__user_id__distinct=9` sets one deep inside."""
    new = copy.deepcopy(source())
    for path, value in parts.items():
        *inner, last = path.split("__")
        at = new
        for name in inner:
            at = at[name]
        at[last] = value
    return new


def beyond(now: dict[str, Any], *before: dict[str, Any], settings: ProfileSettings = SETTINGS) -> list[str]:
    nights = [{"log": night} for night in before or (source(), source())]
    return [change.what for change in compare({"log": now}, nights, settings) if change.beyond]


def test_the_stability_index_is_that_of_the_definition() -> None:
    # (0.5 - 0.8) ln(0.5 / 0.8) + (0.5 - 0.2) ln(0.5 / 0.2)
    by_hand = -0.3 * math.log(0.5 / 0.8) + 0.3 * math.log(0.5 / 0.2)
    assert stability_index([800_000, 200_000], [500_000, 500_000]) == pytest.approx(by_hand, rel=1e-4)
    assert stability_index([5, 5], [50, 50]) == pytest.approx(0, abs=1e-9)
    assert 1 < stability_index([1000, 0], [0, 1000]) < 100, "an empty bin is no infinite change"


def test_a_night_like_the_others_is_not_beyond_any_bound() -> None:
    assert beyond(source()) == []
    assert compare({"log": source()}, [], SETTINGS) == [], "nothing to compare with"
    assert compare({"other": source()}, [{"log": source()}], SETTINGS) == []


BEYOND = {
    "stability index of rating": changed(fields__rating__top=[["5.0", 9000], ["1.0", 1000]]),
    "stability index of length": changed(fields__length__quantiles=[n / 5 for n in range(201)]),
    "share of nulls in length": changed(fields__length__nulls=4000),
    "share of rows rejected": changed(rows__rejected=5000),
    "rows kept": changed(rows__kept=3000),
    "distinct user_id": changed(ids__user_id__distinct=2800),
    "share of new user_id": changed(ids__user_id__new_share=0.5),
    "share of rows with item_id outside ASCII": changed(ids__item_id__non_ascii=4000),
    "share of rows with the most frequent item_id": changed(ids__item_id__largest_share=0.5),
    "share of files in an encoding not seen before": changed(encodings={"UTF-16LE": 2}),
    "share of rows with item_id ending in .0": changed(ids__item_id__point_zero=4000),
}


@pytest.mark.parametrize("what", BEYOND)
def test_each_change_is_found_alone(what: str) -> None:
    assert beyond(BEYOND[what]) == [what]


@pytest.mark.parametrize("what", BEYOND)
def test_each_bound_can_be_disabled(what: str) -> None:
    off = ProfileSettings(max_psi=None, max_share_change=None, max_factor=None)
    assert beyond(BEYOND[what], settings=off) == []


def test_a_change_names_both_values_and_its_bound() -> None:
    (change,) = [c for c in compare({"log": BEYOND["rows kept"]}, [{"log": source()}], SETTINGS) if c.beyond]
    assert change == Change("log", "rows kept", 10_000, 3000, pytest.approx(10_000 / 3000), 3.0, beyond=True)
    assert str(change) == "rows kept of log: 3,000, before 10,000 (at most 3 times)"


def test_the_median_of_the_nights_is_compared() -> None:
    odd = changed(rows__kept=500)
    assert beyond(source(), odd, source(), source()) == []
    assert beyond(odd, odd, source(), source()) == ["rows kept"]


def test_a_field_that_a_night_before_did_not_have_is_not_compared() -> None:
    before = source()
    del before["fields"]["length"]
    assert beyond(BEYOND["stability index of length"], before) == []


def test_few_rows_are_no_change() -> None:
    few = changed(rows__kept=4, rows__rejected=2, fields__rating__top=[["1.0", 4]], fields__rating__sampled=4, ids={})
    del few["fields"]["length"]
    assert beyond(few, few) == []
    assert beyond(few, changed(rows__kept=6, rows__rejected=0)) == []


@given(st.integers(0, 10_000))
def test_samples_of_one_distribution_are_no_change(seed: int) -> None:
    random = np.random.default_rng(seed)

    def night(n: int) -> dict[str, Any]:
        counts = np.bincount(random.integers(0, 5, n), minlength=5)
        top = [[f"{star}.0", int(count)] for star, count in enumerate(counts)]
        return changed(fields__rating__top=top, fields__rating__values=5)

    assert beyond(night(120), night(120)) == []


@given(st.integers(0, 500), st.integers(0, 100))
def test_few_distinct_ids_are_counted_well(n: int, seed: int) -> None:
    assert abs(estimated_distinct(minima(n, seed)) - n) <= max(3, 0.08 * n)


@pytest.mark.parametrize("n", [5000, 100_000])
def test_many_distinct_ids_are_estimated(n: int) -> None:
    errors = [estimated_distinct(minima(n, seed)) / n - 1 for seed in range(20)]
    assert max(map(abs, errors)) < 0.12 and abs(np.mean(errors)) < 0.02


def minima(n: int, seed: int) -> list[float]:
    random = np.random.default_rng(seed)
    bucket, rest = random.integers(0, BUCKETS, n), random.random(n)
    return [rest[bucket == b].min() for b in np.unique(bucket)]
