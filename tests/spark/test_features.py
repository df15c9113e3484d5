"""Features are fitted on training entities and applied to all: fixed width, no NaN, a row for everyone."""

import numpy as np
import pytest

from bgmrec.config.features import DocumentSettings, Feature
from bgmrec.errors import SettingsError
from bgmrec.features.document import Vocabulary, fit_vocabulary, tokenize
from bgmrec.features.entities import entities_by_idx, with_training_ratings
from bgmrec.features.fitted import FittedFeatures, feature_names, fit_features
from bgmrec.features.transform import transform_features
from bgmrec.storage.arrays import INT, from_cell

SCHEMA = "item_id string, mood string, tags array<string>, artist string, tempo double, plays long, audio array<float>"
ITEMS = [
    ("a", "calm", ["x", "y"], "Satie", 100.0, 0, [1.0, 0.0]),
    ("b", "calm", ["x"], "Ravel", 140.0, 99, [3.0, 0.0]),
    ("c", "sad", [], "Satie", None, None, None),
    ("cold", "loud", ["x", "z", "z"], None, 1e30, 10, [2.0]),
]
FEATURES = [
    Feature(field="mood", kind="one_hot", size=1),
    Feature(field="tags", kind="multi_hot", size=8, min_count=2),
    Feature(field="artist", kind="hashed", size=4),
    Feature(field="tempo", kind="number"),
    Feature(field="plays", kind="log_number"),
    Feature(field="audio", kind="vector", size=2),
]


@pytest.fixture
def items(spark):
    index = spark.createDataFrame(
        [("a", 0), ("b", 1), ("c", 2), ("cold", 3), ("unknown", 4)], "item_id string, item_idx int"
    )
    return entities_by_idx(index, spark.createDataFrame(ITEMS, SCHEMA), "item_id", "item_idx")


@pytest.fixture
def trained(spark, items):
    rows = [(0, "train"), (0, "train"), (1, "train"), (2, "train"), (3, "valid")]
    return with_training_ratings(items, spark.createDataFrame(rows, "item_idx int, part string"), "item_idx")


def matrix(items, features, fitted, partitions=3):
    rows = sorted(transform_features(items.repartition(partitions), features, fitted).collect())
    assert [row.idx for row in rows] == list(range(len(rows)))
    return np.stack([from_cell(row.features) for row in rows])


def test_only_training_entities_are_fitted(trained):
    fitted = fit_features(trained, FEATURES)
    by_field = {feature.field: feature for feature in fitted.features}
    assert by_field["mood"].vocabulary == ("calm",)  # the one most frequent
    assert by_field["tags"].vocabulary == ("x",)  # y is seen once, z only by the cold item
    assert by_field["tempo"].mean == (120.0,) and by_field["tempo"].std == (20.0,)  # 1e30 is the cold item's
    # log1p of 0 and 99: mean and half the distance
    assert by_field["plays"].mean[0] == pytest.approx(np.log(100) / 2)
    assert by_field["plays"].std[0] == pytest.approx(np.log(100) / 2)
    assert by_field["audio"].mean == (2.0, 0.0) and by_field["audio"].std == (1.0, 1.0)  # a constant keeps its scale


@pytest.mark.parametrize("partitions", [1, 7])
def test_every_indexed_entity_has_a_finite_row_of_the_fitted_width(items, trained, partitions):
    fitted = FittedFeatures.from_json(fit_features(trained, FEATURES).to_json())
    found = matrix(items, FEATURES, fitted, partitions)
    names = feature_names(fitted)
    assert found.shape == (5, len(names)) == (5, 2 + 2 + 4 + 2 + 2 + 3)
    assert found.dtype == np.float32 and np.isfinite(found).all()
    columns = {name: found[:, n].tolist() for n, name in enumerate(names) if not name.startswith("artist")}
    assert columns["mood=calm"] == [1, 1, 0, 0, 0] and columns["mood=<other>"] == [0, 0, 1, 1, 0]
    assert columns["tags=x"] == [1, 1, 0, 1, 0] and columns["tags=<other>"] == [1, 0, 0, 1, 0]
    assert columns["tempo"] == [-1, 1, 0, 10, 0] and columns["tempo:missing"] == [0, 0, 1, 0, 1]
    assert columns["audio[0]"] == [-1, 1, 0, 0, 0] and columns["audio:missing"] == [0, 0, 1, 1, 1]
    assert found[:, 4:8].sum(axis=1).tolist() == [1, 1, 1, 0, 0]  # artist
    np.testing.assert_array_equal(found[0, 4:8], found[2, 4:8])  # both Satie


def test_without_features_every_entity_has_an_empty_row(items, trained):
    fitted = fit_features(trained, [])
    assert matrix(items, [], fitted).shape == (5, 0)


@pytest.mark.parametrize(
    "feature",
    [
        Feature(field="genre", kind="one_hot"),
        Feature(field="tags", kind="one_hot"),
        Feature(field="audio", kind="number"),
        Feature(field="tempo", kind="vector"),
    ],
)
def test_a_feature_that_does_not_fit_its_field_is_refused(items, feature):
    with pytest.raises(SettingsError, match=f"feature {feature.field} cannot be made as {feature.kind}"):
        fit_features(items, [feature])


DOCUMENTS = [
    (0, "Rain on the piano", ["Slow", "Piano"]),
    (1, "The rain, the RAIN!", None),
    (2, "piano über the 雨夜", ["slow"]),
    (3, None, None),
]
DOCUMENT = DocumentSettings(fields=["title", "tags"], max_document_share=0.7, min_documents=2, vocabulary_size=3)


@pytest.fixture
def documents(spark):
    return spark.createDataFrame(DOCUMENTS, "idx int, title string, tags array<string>")


def test_the_vocabulary_leaves_out_rare_and_ubiquitous_words(documents):
    # of 3 documents: the 3 (too many at a share of .7), piano, rain and slow 2 each, all others 1
    assert fit_vocabulary(documents, DOCUMENT).words == ("piano", "rain", "slow")
    assert fit_vocabulary(documents, DOCUMENT.model_copy(update={"vocabulary_size": 1})).words == ("piano",)


def test_chinese_is_split_by_sign_and_other_scripts_by_word(documents):
    everything = DOCUMENT.model_copy(update={"max_document_share": 1.0, "min_documents": 1, "vocabulary_size": 99})
    assert fit_vocabulary(documents, everything).words == ("the", "piano", "rain", "slow", "on", "über", "夜", "雨")


def test_every_item_has_tokens_in_the_order_of_its_words(documents):
    rows = sorted(tokenize(documents.repartition(3), Vocabulary(("piano", "rain", "slow")), DOCUMENT).collect())
    assert [from_cell(row.tokens, dtype=INT).tolist() for row in rows] == [[2, 1, 3, 1], [2, 2], [1, 3], []]


def test_a_document_of_no_fields_is_empty(documents):
    settings = DocumentSettings()
    vocabulary = fit_vocabulary(documents, settings)
    assert vocabulary.size == 1
    assert {bytes(row.tokens) for row in tokenize(documents, vocabulary, settings).collect()} == {b""}


def test_a_document_field_that_items_lack_is_refused(documents):
    with pytest.raises(SettingsError, match="items have no field lyrics"):
        fit_vocabulary(documents, DocumentSettings(fields=["lyrics"]))
