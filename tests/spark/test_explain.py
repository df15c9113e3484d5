"""The parts of all scores sum to the scores, with broadcast and with shuffled factors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bgmrec.factorize.user_step import UserStep
from bgmrec.recommend.explain import reasons
from bgmrec.runtime.session import arrow_batch
from bgmrec.storage import schemas
from tests.reference import normal_equations as reference
from tests.spark.test_half_step import BROADCAST, NUMBERS, SHAPE, SHUFFLED, Data, factor_blocks


@pytest.mark.parametrize(("bytes_", "alpha0"), [(BROADCAST, 0.0), (SHUFFLED, 0.3)])
def test_the_parts_of_every_list_entry_sum_to_its_score(spark, bytes_, alpha0):
    data = Data(spark, preference=alpha0 > 0)
    cold, popular = data.n_users // 2, 3
    solved, _, _ = data.half_step(dst=3, src=2, alpha0=alpha0)
    newer = data.items + np.float32(0.1)
    scores = reference.dense_scores(solved.astype(float), newer.astype(float), SHAPE.rank, True, SHAPE.mean)
    lists_of = {u: np.argsort(-scores[u])[: 1 + u % 4].tolist() for u in range(data.n_users)}
    rows = [
        (u, p + 1, int(i), float(scores[u, i]), "popular" if u == popular else "cold" if u == cold else "warm")
        for u, items in lists_of.items()
        for p, i in enumerate(items)
    ]
    model = UserStep(
        data.user_blocks(3), factor_blocks(spark, data.user_prior, 3), factor_blocks(spark, data.items, 2),
        factor_blocks(spark, newer, 2), 3, 2, SHAPE, NUMBERS, alpha0,
    )  # fmt: skip
    with arrow_batch(spark, 2):
        lists = spark.createDataFrame(rows, schemas.TOP_N)
        files = Path(spark.sparkContext._temp_dir)
        before = set(files.rglob("*"))
        with reasons(model, lists, n=2, n_users=data.n_users, broadcast_bytes=bytes_) as made:
            frame = made.toPandas()
        assert set(files.rglob("*")) == before
    sums = frame.groupby(["user_idx", "position"])["score_part"].sum()
    expected = {(u, p): score for u, p, _, score, source in rows if source != "popular"}
    assert set(sums.index) == set(expected)
    np.testing.assert_allclose([sums[key] for key in expected], list(expected.values()), atol=1e-3)
    rest = frame[frame["kind"] == "rest"]["score_part"].abs()
    # with offsets, unobserved pairs have a part; otherwise only rounding is left
    assert rest.max() < 1e-3 or alpha0 > 0
    assert set(frame[frame["user_idx"] == cold]["kind"]) <= {"prior", "item", "rest"}
    named = frame[frame["kind"] == "rating"]
    assert (named.groupby(["user_idx", "position"]).size() <= 2).all() and (named["score_part"] > 0).all()
    assert all(data.observed[u, int(i)] for u, i in zip(named["user_idx"], named["reason_item_idx"], strict=True))
