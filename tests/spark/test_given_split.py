"""A split by an expression of the settings: its parts, ratings that are left out, and expressions that are refused."""

from __future__ import annotations

from datetime import datetime

import pytest
from pyspark.sql import DataFrame, SparkSession

from bgmrec.errors import SettingsError
from bgmrec.study.given_split import given_parts


@pytest.fixture(scope="module")
def ratings(spark: SparkSession) -> DataFrame:
    rows = [(user, f"i{n}", user, n, float(n), 1.0, datetime(2025, 3, n)) for n in range(1, 5) for user in ("a", "b")]
    columns = "user_id string, item_id string, user_idx string, item_idx int, rating double, weight double"
    return spark.createDataFrame(rows, f"{columns}, rated_at timestamp")


def test_the_expression_decides_and_null_leaves_out(ratings: DataFrame) -> None:
    part = (
        "case when rated_at < '2025-03-02' then 'train' when rating = 2 then 'valid' when user_id = 'a' then 'test' end"
    )
    found = {(row.user_id, row.item_id): row.part for row in given_parts(ratings, part).collect()}
    assert found == {
        **{(user, "i1"): "train" for user in "ab"},
        **{(user, "i2"): "valid" for user in "ab"},
        **{("a", item): "test" for item in ("i3", "i4")},
    }


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (None, "not set"),
        ("if(rating", "PARSE_SYNTAX_ERROR"),
        ("played_at", "played_at"),
        ("if(rating > 2, 'tst', 'train')", "'tst'"),
        ("rating > 2", "'false'"),
    ],
)
def test_other_expressions_are_refused(ratings: DataFrame, expression: str | None, found: str) -> None:
    with pytest.raises(SettingsError) as caught:
        given_parts(ratings, expression)
    assert caught.value.where == "study.part" and found in str(caught.value.found)
