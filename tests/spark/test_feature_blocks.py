"""From the groups of `[bayes]` to feature blocks, link matrices and a sampled model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bgmrec.config.model import LinearSettings
from bgmrec.config.settings import Settings
from bgmrec.errors import SettingsError
from bgmrec.factorize.blocks.factors import collect_factors, pack_factors
from bgmrec.factorize.blocks.prepare import DataSizes, write_blocks
from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.row_scale import RowScale
from bgmrec.features.fitted import FittedFeature, FittedFeatures
from bgmrec.features.text_pairs import text_pairs
from bgmrec.features.transform import float_cells
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.session import arrow_batch
from bgmrec.sampler.feature_blocks import FeatureInputs, side_feature_blocks
from bgmrec.sampler.link_matrix import write_link_matrices
from bgmrec.sampler.sample import sample
from bgmrec.storage.tables import Tables
from bgmrec.train.linear import make_linear_encoder
from bgmrec.train.refit import Refit

USERS, ITEMS, WORDS = 30, 20, 12
GROUPS = [["a"], ["b", "svd:ratings"], ["log:counts"]]


def settings(**bayes) -> Settings:
    fields = [{"name": "a", "type": "number"}, {"name": "b", "type": "number"}]
    features = [{"field": "a", "kind": "number"}, {"field": "b", "kind": "number"}]
    return Settings.model_validate(
        {
            "users": {"fields": fields},
            "items": {"fields": fields},
            "user_features": {"features": features},
            "item_features": {"features": features},
            "factorize": {"rank": 2, "block_rows": 8},
            "bayes": {
                "draws": 4,
                "burn_in": 2,
                "noise_strength": 4.0,
                "ratings_rank": 3,
                "text_rank": 2,
                "user_groups": GROUPS,
                "item_groups": [*GROUPS, ["svd:text"]],
                **bayes,
            },
        }
    )


class TrainedRun:
    """Working tables of a run after its rounds: ratings, features, tokens and factors."""

    def __init__(self, spark, root, own: Settings):
        random = np.random.default_rng(0)
        self.work, self.rated = Tables(spark, f"{root}/work"), Tables(spark, f"{root}/rated")
        self.best = Tables(spark, f"{root}/best")
        self.features = {"user": random.normal(size=(USERS, 4)), "item": random.normal(size=(ITEMS, 4))}
        fitted = FittedFeatures(tuple(FittedFeature(name, "number", 1, mean=(0.0,), std=(1.0,)) for name in "ab"))
        for side, table in self.features.items():
            rows = [(at, bytearray(row.astype(np.float32).tobytes())) for at, row in enumerate(table)]
            self.work.write(spark.createDataFrame(rows, "idx int, features binary"), f"{side}_features")
        self.tokens = [random.integers(1, WORDS + 1, random.integers(0, 9)).astype(np.int32) for _ in range(ITEMS)]
        rows = [(at, bytearray(words.tobytes())) for at, words in enumerate(self.tokens)]
        self.work.write(spark.createDataFrame(rows, "idx int, tokens binary"), "item_tokens")
        names = {"user_features": fitted.to_json(), "item_features": fitted.to_json()}
        self.work.write_json("fitted_features", {**names, "vocabulary": [str(at) for at in range(WORDS)]})
        self.observed = random.random((USERS, ITEMS)) < 0.5
        users, items = np.nonzero(self.observed)
        self.triples = [(int(u), int(i), float(random.integers(1, 6)), 1.0) for u, i in zip(users, items, strict=True)]
        ratings = spark.createDataFrame(self.triples, "user_idx int, item_idx int, rating float, weight float")
        self.sizes = DataSizes(USERS, ITEMS, len(users), 0, 3.0, 4, 3)
        write_blocks(self.rated, ratings, self.sizes)
        for side, n, count in (("user", USERS, 4), ("item", ITEMS, 3)):
            table = random.normal(0, 0.1, (n, 3)).astype(np.float32)
            parts = [np.ascontiguousarray(table[block::count]) for block in range(count)]
            blocks = [(at, len(part), bytearray(part.tobytes()), 50.0, 0.0) for at, part in enumerate(parts)]
            kind = "block int, n_rows int, factors binary, squared_error double, penalty double"
            self.best.write(spark.createDataFrame(blocks, kind), f"{side}_half_step")
        self.inputs = FeatureInputs(self.work, self.rated, self.best, self.sizes, own)


def feature_blocks_of(store, inputs):
    bayes = inputs.settings.bayes
    return side_feature_blocks(store, inputs, {"user": bayes.user_groups, "item": bayes.item_groups})


@pytest.fixture(scope="module")
def trained(spark, tmp_path_factory):
    return TrainedRun(spark, tmp_path_factory.mktemp("run"), settings())


def features_of(store: Tables, side: str, n: int, count: int) -> np.ndarray:
    features = None
    for row in store.read(f"{side}_linked_blocks").collect():
        block = RatingBlock.from_cells(row.asDict())
        cell = np.frombuffer(row["features"], np.float32).reshape(block.n_rows, -1)
        features = np.zeros((n, cell.shape[1])) if features is None else features
        features[row["block"] :: count] = cell
    return features


def test_columns_come_in_the_order_of_their_groups(trained, tmp_path):
    store = Tables(trained.work.spark, str(tmp_path))
    feature_blocks = feature_blocks_of(store, trained.inputs)
    assert [(feature_block.group, feature_block.columns) for feature_block in feature_blocks["item"]] == [
        (0, 2),
        (1, 3),
        (1, 2),
        (2, 2),
        (3, 2),
    ]
    blocks = trained.rated.read("item_rating_blocks")
    link_matrix = write_link_matrices(store, "item", blocks, feature_blocks["item"], RowScale(), 11)
    features = features_of(store, "item", ITEMS, 3)
    np.testing.assert_allclose(features[:, :2], trained.features["item"][:, :2], atol=1e-6)
    np.testing.assert_allclose(features[:, 5:7], trained.features["item"][:, 2:], atol=1e-6)
    counts = np.log1p(trained.observed.sum(axis=0)) - np.log1p(trained.observed.sum() / ITEMS)
    np.testing.assert_allclose(features[:, 7], counts, atol=1e-5)
    np.testing.assert_allclose(link_matrix.mean, features.mean(axis=0), atol=1e-5)
    centred = features - features.mean(axis=0)
    np.testing.assert_allclose(link_matrix.gram, centred.T @ centred, atol=1e-4)
    np.testing.assert_array_equal(link_matrix.groups, [0, 0, 1, 1, 1, 1, 1, 2, 2, 3, 3])
    binary = trained.observed.astype(float)
    normal = binary / np.sqrt(binary.sum(axis=1, keepdims=True) * binary.sum(axis=0))
    left = np.linalg.svd(normal.T)[0][:, 0]
    np.testing.assert_allclose(abs(np.corrcoef(features[:, 2], left)[0, 1]), 1, atol=1e-3)


def test_a_link_matrix_weighs_rows_by_their_scales(trained, tmp_path):
    store = Tables(trained.work.spark, str(tmp_path))
    feature_blocks, scale = feature_blocks_of(store, trained.inputs)["item"], RowScale(1.0, 2.0)
    link_matrix = write_link_matrices(
        store, "item", trained.rated.read("item_rating_blocks"), feature_blocks, scale, 11
    )
    features, n = features_of(store, "item", ITEMS, 3), trained.observed.sum(axis=0)
    mean = np.average(features, axis=0, weights=n)
    np.testing.assert_allclose(link_matrix.mean, mean, atol=1e-5)
    np.testing.assert_allclose(
        link_matrix.gram, ((features - mean) * n[:, None] / 2).T @ (features - mean), rtol=1e-4, atol=1e-4
    )


def test_a_linear_encoder_gives_every_item_the_prior_mean_of_the_regression(trained, tmp_path):
    store = Tables(trained.work.spark, str(tmp_path))
    section = LinearSettings(groups=[["a"], ["log:counts"]], ridges=[0.5, 2.0])
    encoder = make_linear_encoder(store, trained.inputs, "item", section)
    factors = collect_factors(trained.best.read("item_half_step"), 3, encoder.shape.width, max_bytes=10**6).astype(
        float
    )
    with arrow_batch(store.spark, 2):
        assert encoder.refit(Refit(trained.best.read("item_half_step"), None, store, store, 1, print)) == []
    priors = collect_factors(store.read("item_prior"), 3, encoder.shape.width, max_bytes=10**6)
    features = features_of(store, "item", ITEMS, 3)
    centred = features - features.mean(axis=0)
    gram = centred.T @ centred + np.diag(np.where(encoder.link_matrix.groups == 0, 0.5, 2.0))
    expected = factors.mean(axis=0) + centred @ np.linalg.solve(gram, centred.T @ factors)
    np.testing.assert_allclose(priors, expected, atol=1e-3)
    assert make_linear_encoder(store, trained.inputs, "item", LinearSettings()) is None


def test_too_many_columns_name_the_setting(trained, tmp_path):
    store = Tables(trained.work.spark, str(tmp_path))
    feature_blocks = feature_blocks_of(store, trained.inputs)["item"]
    with pytest.raises(SettingsError) as caught:
        write_link_matrices(store, "item", trained.rated.read("item_rating_blocks"), feature_blocks, RowScale(), 10)
    assert "11 columns" in caught.value.found and "item_groups" in caught.value.where


def test_text_pairs_are_tf_idf_of_length_one(trained):
    rows = text_pairs(trained.work.read("item_tokens"), ITEMS).collect()
    counts = np.zeros((ITEMS, WORDS))
    for at, words in enumerate(trained.tokens):
        np.add.at(counts, (at, words - 1), 1)
    value = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * np.log(ITEMS / (counts > 0).sum(axis=0))
    value /= np.maximum(np.linalg.norm(value, axis=1, keepdims=True), 1e-12)
    pairs = np.zeros_like(value)
    for row in rows:
        pairs[row["item_idx"], row["word"]] = row["rating"]
    np.testing.assert_allclose(pairs, value, atol=1e-5)


def test_singular_vectors_of_rows_with_few_ratings_shrink(trained, tmp_path):
    vectors = {}
    for few in (0.0, 10.0):
        store = Tables(trained.work.spark, str(tmp_path / str(few)))
        inputs = FeatureInputs(trained.work, trained.rated, trained.best, trained.sizes, settings(few_ratings=few))
        feature_blocks = feature_blocks_of(store, inputs)["user"]
        write_link_matrices(store, "user", trained.rated.read("user_rating_blocks"), feature_blocks, RowScale(), 99)
        vectors[few] = features_of(store, "user", USERS, 4)[:, 2:5]
    n = trained.observed.sum(axis=1)[:, None]
    np.testing.assert_allclose(vectors[10.0], vectors[0.0] * n / (n + 10), atol=1e-5)


@pytest.fixture
def encoded(trained, tmp_path):
    """(inputs of a run with encoders, prior means by side); the prior means differ from the factors."""
    spark, random = trained.work.spark, np.random.default_rng(4)
    best = Tables(spark, str(tmp_path / "encoded"))
    means = {}
    for side, n, count in (("user", USERS, 4), ("item", ITEMS, 3)):
        best.write(trained.best.read(f"{side}_half_step"), f"{side}_half_step")
        means[side] = random.normal(size=(n, 3)).astype(np.float32)
        rows = spark.createDataFrame(list(enumerate(float_cells(means[side]).to_pylist())), "idx int, features binary")
        with arrow_batch(spark, 2):
            best.write(pack_factors(rows, n, count), f"{side}_prior")
    changed = settings(user_groups=[["a", "prior:encoder"]], item_groups=[["prior:encoder"], ["log:counts"]])
    return FeatureInputs(trained.work, trained.rated, best, trained.sizes, changed), means


def test_prior_means_are_columns_bias_included(trained, encoded, tmp_path):
    inputs, means = encoded
    store = Tables(trained.work.spark, str(tmp_path / "chain"))
    feature_blocks = feature_blocks_of(store, inputs)
    assert [(feature_block.group, feature_block.columns) for feature_block in feature_blocks["item"]] == [
        (0, 3),
        (1, 2),
    ]
    for side, n, count in (("user", USERS, 4), ("item", ITEMS, 3)):
        write_link_matrices(
            store, side, trained.rated.read(f"{side}_rating_blocks"), feature_blocks[side], RowScale(), 9
        )
        np.testing.assert_allclose(features_of(store, side, n, count)[:, :3], means[side], atol=1e-6)


def test_a_side_without_an_encoder_has_no_prior_columns(trained, encoded, tmp_path):
    inputs = replace(encoded[0], priors=trained.best)
    feature_blocks = feature_blocks_of(Tables(trained.work.spark, str(tmp_path / "chain")), inputs)
    assert [(feature_block.group, feature_block.columns) for feature_block in feature_blocks["item"]] == [(1, 2)]


def test_sampling_uses_the_prior_means_of_encoders(trained, encoded, tmp_path):
    inputs = encoded[0]
    sampled = sample(Tables(trained.work.spark, str(tmp_path / "with")), inputs, Progress())
    without = sample(
        Tables(trained.work.spark, str(tmp_path / "without")), replace(inputs, priors=trained.best), Progress()
    )
    assert sampled.shape == without.shape
    with arrow_batch(trained.work.spark, 2):
        tables = [collect_factors(model.user_factors, 4, 9, max_bytes=10**6) for model in (sampled, without)]
    assert np.isfinite(tables[0]).all()
    assert np.abs(tables[0] - tables[1]).max() > 1e-3


def test_sampling_gives_a_wide_model_and_is_repeatable(trained, tmp_path):
    store = Tables(trained.work.spark, str(tmp_path))
    sampled = sample(store, trained.inputs, Progress())
    assert (sampled.shape.rank, sampled.shape.bias, sampled.state.draw) == (8, True, 6)
    assert np.isfinite([entry["alpha"] for entry in sampled.state.history]).all()
    again = sample(Tables(trained.work.spark, str(tmp_path / "again")), trained.inputs, Progress())
    assert sampled.state.history == again.state.history
    with arrow_batch(trained.work.spark, 2):
        tables = [collect_factors(model.user_factors, 4, 9, max_bytes=10**6) for model in (sampled, again)]
    np.testing.assert_array_equal(*tables)
    assert len(float_cells(tables[0])) == USERS
