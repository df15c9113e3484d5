"""The trend by hand: decayed demand against the item's share of all pairs, damped, to a power."""

from __future__ import annotations

from datetime import datetime

import pytest

from bgmrec.config import load_settings
from bgmrec.config.model import TrendSettings
from bgmrec.errors import SettingsError
from bgmrec.features.trend import with_decay, with_trend

NOW = datetime(2025, 3, 2)
SETTINGS = TrendSettings(exponent=0.5, half_life_days=1.0, damping=2.0)
COLUMNS = "user_idx int, item_idx int, rating float, weight float, rated_at string, part string"
ROWS = [
    (0, 0, 1.0, 1.0, "2025-03-01 00:00:00", "train"),  # a day old: counts 1/2
    (1, 0, 0.5, 2.0, "2025-03-02 00:00:00", "train"),  # now: counts 1
    (2, 0, 1.0, 1.0, "2025-03-02 06:00:00", "train"),  # later than now, where clocks differ: counts 1
    (0, 1, 1.0, 1.0, "2025-02-28 00:00:00", "train"),  # two days old: counts 1/4
    (1, 1, 1.0, 1.0, None, "train"),  # without a time: a pair, and no demand
]


def ratings(spark, partitions=1):
    rows = spark.createDataFrame(ROWS, COLUMNS).selectExpr(
        "user_idx", "item_idx", "rating", "weight", "cast(rated_at as timestamp) rated_at", "part"
    )
    return rows.repartition(partitions)


def found(df):
    return {(row["user_idx"], row["item_idx"]): row["rating"] for row in df.collect()}


@pytest.mark.parametrize("partitions", [1, 7])
def test_preferences_times_the_root_of_the_trend(spark, partitions):
    # q = 2.5 and 0.25 of 2.75; expected by pairs 2.75 · 3/5 = 1.65 and 2.75 · 2/5 = 1.1
    up, down = ((2.5 + 2) / (1.65 + 2)) ** 0.5, ((0.25 + 2) / (1.1 + 2)) ** 0.5
    raised = with_trend(ratings(spark, partitions), SETTINGS, NOW)
    assert raised.columns == ratings(spark).columns
    expected = {(0, 0): up, (1, 0): 0.5 * up, (2, 0): up, (0, 1): down, (1, 1): down}
    assert found(raised) == pytest.approx(expected, rel=1e-6)


def test_an_exponent_of_zero_changes_nothing(spark):
    before = ratings(spark)
    assert with_trend(before, TrendSettings(), NOW) is before


def test_weights_halve_with_age(spark):
    decayed = with_decay(ratings(spark), 2.0, NOW)
    assert decayed.columns == ratings(spark).columns
    weights = {(row["user_idx"], row["item_idx"]): row["weight"] for row in decayed.collect()}
    # a day, now, later than now, two days, and without a time
    assert weights == pytest.approx({(0, 0): 0.5**0.5, (1, 0): 2.0, (2, 0): 1.0, (0, 1): 0.5, (1, 1): 1.0}, rel=1e-6)
    assert found(decayed) == found(ratings(spark))
    before = ratings(spark)
    assert with_decay(before, 0.0, NOW) is before


def test_without_any_time_nothing_is_in_demand(spark):
    timeless = ratings(spark).selectExpr("user_idx", "item_idx", "rating", "weight", "null rated_at", "part")
    plain = {(row[0], row[1]): row[2] for row in ROWS}
    assert found(with_trend(timeless, SETTINGS, NOW)) == pytest.approx(plain)


def test_explicit_ratings_take_no_trend():
    with pytest.raises(SettingsError, match=r"trend\.exponent above 0 only with factorize\.mode = implicit") as refused:
        load_settings([], ["trend.exponent=0.5"])
    assert "--set" in str(refused.value)
