"""The split sets the last days, or a share by hash, aside; partitions decide nothing."""

from datetime import datetime

import pytest

from bgmrec.config.sources import SplitSettings
from bgmrec.features.split import held_out_from, split_ratings

END = datetime(2024, 3, 3)
SCHEMA = "user_idx int, item_idx int, rating float, weight float, rated_at timestamp"


def split(spark, rows, seed=1, partitions=3, **settings):
    df = spark.createDataFrame(rows, SCHEMA).repartition(partitions)
    found = split_ratings(df, SplitSettings(**settings), seed, END).collect()
    return {(row.user_idx, row.item_idx): row.part for row in found}


def rating(user, item, at=None):
    return (user, item, 1.0, 1.0, at)


ROWS = [
    rating(0, 0, datetime(2024, 3, 1, 23, 59, 59)),
    rating(0, 1, datetime(2024, 3, 2)),
    rating(1, 0, datetime(2024, 3, 2, 23, 59, 59)),
    rating(1, 1),
    rating(2, 0, datetime(2024, 3, 2, 12)),
]


def test_the_last_day_is_validation_and_rows_without_time_train(spark):
    parts = split(spark, ROWS, method="time", valid_days=1)
    assert parts == {(0, 0): "train", (0, 1): "valid", (1, 0): "valid", (1, 1): "train", (2, 0): "valid"}


def test_half_a_day_counts_hours(spark):
    parts = split(spark, ROWS, method="time", valid_days=0.5)
    assert [pair for pair, part in parts.items() if part == "valid"] == [
        pair for pair in parts if pair in {(1, 0), (2, 0)}
    ]


def test_no_days_hold_nothing_out(spark):
    assert set(split(spark, ROWS, method="time", valid_days=0).values()) == {"train"}
    assert set(split(spark, ROWS, method="none").values()) == {"train"}


def test_cold_validation_rows_move_to_train_by_what_train_was_before(spark):
    # user 2 has no train row; (0, 1) and (1, 0) know both of theirs from (0, 0) and (1, 1)
    parts = split(spark, ROWS, method="time", valid_days=1, move_cold_to_train=True)
    assert parts[2, 0] == "train"
    assert parts[0, 1] == parts[1, 0] == "valid"
    assert len(parts) == len(ROWS)


@pytest.fixture
def pairs():
    return [rating(user, item) for user in range(60) for item in range(50)]


def test_the_random_split_depends_on_seed_and_pair_alone(spark, pairs):
    first = split(spark, pairs, method="random", valid_share=0.2)
    assert first == split(spark, pairs[::-1], method="random", valid_share=0.2, partitions=7)
    assert first != split(spark, pairs, seed=2, method="random", valid_share=0.2)


def test_the_random_share_is_kept_and_falls_on_all_users(spark, pairs):
    parts = split(spark, pairs, method="random", valid_share=0.2)
    valid = [pair for pair, part in parts.items() if part == "valid"]
    assert abs(len(valid) - 600) < 5 * (3000 * 0.2 * 0.8) ** 0.5  # five standard deviations of a fair draw
    assert len({user for user, _ in valid}) == 60


def test_the_held_out_moment_is_known_before_the_split():
    assert held_out_from(SplitSettings(method="time", valid_days=1.5), END) == datetime(2024, 3, 1, 12)
    assert held_out_from(SplitSettings(method="random"), END) is None
