"""Which ratings the user encoder reads, and in what form."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config import Settings
from bgmrec.factorize.blocks.prepare import DataSizes, write_blocks
from bgmrec.storage.arrays import FLOAT, INT, to_cell
from bgmrec.storage.tables import Tables
from bgmrec.train.encoders import write_user_inputs

USERS, ITEMS = 3, 4
TRAIN = [(0, 0, 4.0), (0, 2, 2.0), (1, 0, 5.0)]
HELD_OUT = [(0, 3, 1.0), (1, 1, 3.0)]
SIZES = DataSizes(USERS, ITEMS, train=3, valid=2, mean=3.0, user_blocks=1, item_blocks=1)


def frame(spark: SparkSession, rows: list[tuple[int, int, float]]) -> DataFrame:
    return spark.createDataFrame(rows, "user_idx int, item_idx int, rating float")


@pytest.fixture
def inputs(spark: SparkSession, tmp_path):
    """What the encoder reads with these settings, or with leaked ratings: (user, item) → value."""
    features = spark.createDataFrame([(user, to_cell(np.ones(2))) for user in range(USERS)], "idx int, features binary")

    def read(
        section: dict[str, object], leaked: list[tuple[int, int, float]] | None = None, **sections: dict[str, object]
    ) -> dict[tuple[int, int], float]:
        settings = Settings.model_validate({"user_encoder": section, **sections})
        scratch, train = Tables(spark, str(tmp_path)), frame(spark, TRAIN)
        solved = train.selectExpr("user_idx", "item_idx", "rating * 10 as rating", "1.0 as weight")
        write_blocks(scratch, solved if sections else train.withColumn("weight", f.lit(2.0)), SIZES)
        seen = None if leaked is None else frame(spark, leaked)
        rows = (
            write_user_inputs(scratch, settings, SIZES, features, train, seen)
            .select("idx", "rated_idx", "rated_values")
            .collect()
        )
        cells = [(row[0], np.frombuffer(row[1], INT), np.frombuffer(row[2], FLOAT)) for row in rows]
        return {(user, int(i)): float(v) for user, idx, values in cells for i, v in zip(idx, values, strict=True)}

    return read


def test_without_centring_the_ratings_enter_unchanged(inputs):
    ratings = inputs({"center_ratings": False, "prediction_weight": 0.0})
    assert ratings == {(user, item): rating for user, item, rating in TRAIN}


def test_with_centring_mean_and_item_bias_are_subtracted(inputs):
    # item 0 has deviations 1 and 2: 3 / (2 + 10) = .25; item 2 has -1: -1 / 11
    ratings = inputs({"center_ratings": True, "prediction_weight": 0.0})
    assert ratings == pytest.approx({(0, 0): 0.75, (0, 2): -1 + 1 / 11, (1, 0): 1.75})


def test_trend_weighted_preferences_are_not_read(inputs):
    ratings = inputs({}, factorize={"mode": "implicit"}, trend={"exponent": 0.5})
    assert ratings == {(user, item): rating for user, item, rating in TRAIN}


def test_a_measured_leak_reads_the_held_out_ratings_too(inputs):
    ratings = inputs({"center_ratings": False, "prediction_weight": 0.0}, TRAIN + HELD_OUT)
    assert set(ratings) == {(user, item) for user, item, _ in TRAIN + HELD_OUT}
