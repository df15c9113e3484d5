"""Scores of pairs: those of the dense model, one per pair, with broadcast and with shuffled factors."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.errors import PythonException

from bgmrec.factorize.blocks.ratings import rating_blocks
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.pairs import pair_errors, score_pairs
from bgmrec.factorize.source_tables import broadcast_or_shuffle
from tests.reference.normal_equations import dense_scores

SHAPE = ModelShape(4, bias=True, mean=3.0)
N_USERS, N_ITEMS = 13, 8
RANDOM = np.random.default_rng(6)
USERS = RANDOM.normal(size=(N_USERS, SHAPE.width)).astype(np.float32)
ITEMS = RANDOM.normal(size=(N_ITEMS, SHAPE.width)).astype(np.float32)
PAIRS = np.argwhere(RANDOM.random((N_USERS, N_ITEMS)) < 0.3)
RATINGS = RANDOM.integers(1, 6, len(PAIRS)).astype(float)
EXPECTED = dense_scores(USERS, ITEMS, 4, True, 3.0)[PAIRS[:, 0], PAIRS[:, 1]]


def blocks(spark, count=3):
    data = [(int(u), int(i), float(r), 2.0) for (u, i), r in zip(PAIRS, RATINGS, strict=True)]
    rows = spark.createDataFrame(data, "user_idx int, item_idx int, rating float, weight float")
    return rating_blocks(rows, "user_idx", "item_idx", count, N_USERS)


def factor_blocks(spark, table, count):
    """A (n, width) array as schemas.FACTOR_BLOCKS, without any of the package's code."""
    parts = [table[block::count] for block in range(count)]
    data = [(block, len(part), bytearray(part.tobytes())) for block, part in enumerate(parts)]
    return spark.createDataFrame(data, "block int, n_rows int, factors binary")


def scored(spark, function, bytes_, items=ITEMS, **options):
    users = factor_blocks(spark, USERS, 3)
    with broadcast_or_shuffle(factor_blocks(spark, items, 2), 2, SHAPE, broadcast_bytes=bytes_) as source:
        return function(blocks(spark), source, users, SHAPE, broadcast_bytes=bytes_, **options).collect()


@pytest.mark.parametrize("bytes_", [10**6, 10])
def test_every_pair_gets_its_score(spark, bytes_):
    rows = sorted(scored(spark, score_pairs, bytes_, dst_num_blocks=3))
    assert [(row["dst_idx"], row["src_idx"]) for row in rows] == [tuple(pair) for pair in PAIRS.tolist()]
    np.testing.assert_allclose([row["score"] for row in rows], EXPECTED, atol=1e-5)
    assert [row["rating"] for row in rows] == RATINGS.tolist()
    assert {row["weight"] for row in rows} == {2.0}


def test_scores_are_clipped_on_demand(spark):
    rows = sorted(scored(spark, score_pairs, 10**6, dst_num_blocks=3, clip=(1.0, 5.0)))
    assert EXPECTED.min() < 1 and EXPECTED.max() > 5
    np.testing.assert_allclose([row["score"] for row in rows], np.clip(EXPECTED, 1, 5), atol=1e-5)


@pytest.mark.parametrize(("bytes_", "clip"), [(10**6, None), (10, (1.0, 5.0))])
def test_errors_sum_over_all_pairs(spark, bytes_, clip):
    rows = scored(spark, pair_errors, bytes_, clip=clip)
    error = RATINGS - (EXPECTED if clip is None else np.clip(EXPECTED, *clip))
    assert sum(row["pairs"] for row in rows) == len(PAIRS)
    assert sum(row["squared_error"] for row in rows) == pytest.approx((error**2).sum(), rel=1e-5)
    assert sum(row["absolute_error"] for row in rows) == pytest.approx(np.abs(error).sum(), rel=1e-5)


@pytest.mark.parametrize("bytes_", [10**6, 10])
def test_a_missing_score_is_an_error(spark, bytes_):
    assert PAIRS[:, 1].max() == N_ITEMS - 1
    with pytest.raises(PythonException, match="no factors"):
        scored(spark, pair_errors, bytes_, items=ITEMS[:-1])
