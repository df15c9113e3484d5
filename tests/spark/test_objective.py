"""The objective by term, from the sums of both half steps."""

from __future__ import annotations

from bgmrec.factorize.objective import objective

COLUMNS = "block int, squared_error double, penalty double"


def test_each_term_comes_from_its_own_half_step(spark):
    users = spark.createDataFrame([(0, 100.0, 2.0), (1, 200.0, 4.0)], COLUMNS)
    items = spark.createDataFrame([(0, 30.0, 8.0), (1, 10.0, 16.0), (2, 20.0, 32.0)], COLUMNS)
    found = objective(users, items)
    # the errors after the items' half step, the newest ones
    assert found.as_dict() == {"data": 30.0, "user_prior": 3.0, "item_prior": 28.0, "total": 61.0}
