"""Prior means of whole tables: every input row gives the prior mean that the network alone gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from bgmrec.encoders.distributed.encode import encode_priors
from bgmrec.encoders.state import EncoderState, initial_state
from bgmrec.storage.arrays import INT, from_cell, to_cell
from bgmrec.storage.schemas import ENTITY_FEATURES, ITEM_INPUTS, USER_INPUTS, conform

N, N_ITEMS, FEATURES, WIDTH = 37, 9, 4, 3
ASDAE = {"n_items": N_ITEMS, "feature_width": FEATURES, "width": WIDTH, "hidden": [6], "use_presence": True}
TEXT = {"vocabulary_size": 12, "feature_width": FEATURES, "width": WIDTH, "embedding_size": 5, "filters": 4}


def _users(poison: int | None = None) -> list[tuple[int, bytes, bytes, bytes, float]]:
    generator = np.random.default_rng(2)
    rows = []
    for user in range(N):
        features = generator.normal(size=FEATURES)
        features[0] = np.nan if user == poison else features[0]
        rated = np.sort(generator.choice(N_ITEMS, user % 5, replace=False))  # every fifth user is cold
        values = generator.normal(size=len(rated))
        rows.append((user, to_cell(features), to_cell(rated, INT), to_cell(values), 1.0))
    return rows


def _items() -> list[tuple[int, bytes, bytes, float]]:
    generator = np.random.default_rng(3)
    tokens = [generator.integers(1, 13, item % 7) for item in range(N)]
    return [(item, to_cell(generator.normal(size=FEATURES)), to_cell(tokens[item], INT), 1.0) for item in range(N)]


def _users_table(spark: SparkSession, partitions: int, poison: int | None = None) -> DataFrame:
    return spark.createDataFrame(_users(poison), USER_INPUTS).repartition(partitions)


def _priors(rows: DataFrame) -> np.ndarray:
    collected = conform(rows, ENTITY_FEATURES, "user_prior").collect()
    assert sorted(row.idx for row in collected) == list(range(N))
    return np.stack([from_cell(row.features) for row in sorted(collected, key=lambda row: row.idx)])


def _alone(state: EncoderState) -> np.ndarray:
    """One user at a time through the network."""
    network, priors = state.network(), []
    for _, features, rated, values, _ in _users():
        idx, ratings = torch.tensor(from_cell(rated, dtype=INT)).long(), torch.tensor(from_cell(values))
        offsets = torch.tensor([0, len(idx)])
        priors.append(network(torch.tensor(from_cell(features))[None], idx, offsets, ratings).prior[0])
    return torch.stack(priors).detach().numpy()


@pytest.mark.parametrize("partitions", [1, 3, 50])
def test_users_get_the_networks_prior_whatever_the_partitions(spark: SparkSession, partitions: int):
    state = initial_state("asdae", ASDAE, 1)
    with encode_priors(_users_table(spark, partitions), state, batch_rows=4) as rows:
        priors = _priors(rows)
    np.testing.assert_allclose(priors, _alone(state), atol=1e-5)


def test_items_get_the_networks_prior_in_small_batches_as_in_large_ones(spark: SparkSession):
    items = spark.createDataFrame(_items(), ITEM_INPUTS)
    state = initial_state("text_cnn", TEXT, 1)
    priors = []
    for batch_rows in (3, 1000):
        with encode_priors(items, state, batch_rows=batch_rows) as rows:
            priors.append(_priors(rows))
    small, large = priors
    np.testing.assert_allclose(small, large, atol=1e-5)
    assert np.isfinite(small).all() and len(np.unique(small.round(6), axis=0)) == N


def test_a_prior_that_is_not_finite_names_its_entity(spark: SparkSession):
    state = initial_state("asdae", ASDAE, 1)
    with (
        encode_priors(_users_table(spark, 2, poison=11), state) as rows,
        pytest.raises((PySparkException, Py4JJavaError), match=r"TrainingError[\s\S]*idx 11"),
    ):
        rows.collect()


def test_an_empty_table_gives_no_rows(spark: SparkSession):
    empty = spark.createDataFrame([], USER_INPUTS)
    with encode_priors(empty, initial_state("asdae", ASDAE, 1)) as rows:
        assert rows.collect() == []
