"""Feature values → vector columns, words → token cells, over plain arrays."""

import json

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bgmrec.features.document import token_cells
from bgmrec.features.encode import encode_features
from bgmrec.features.fitted import FittedFeature, FittedFeatures, feature_names
from bgmrec.storage.arrays import INT, from_cell

STRINGS = pa.list_(pa.string())
FLOATS = pa.list_(pa.float32())
WORDS = pa.array(["rain", "piano", "night"])


def encode(feature, values, kind):
    return encode_features([pa.array(values, kind)], FittedFeatures((feature,)))


def test_one_hot_has_a_column_for_other_values_and_zeros_for_missing_ones():
    feature = FittedFeature("mood", "one_hot", 5, ("calm", "sad"))
    assert feature_names(FittedFeatures((feature,))) == ["mood=calm", "mood=sad", "mood=<other>"]
    encoded = encode(feature, [["sad"], ["loud"], None, ["calm"]], STRINGS)
    np.testing.assert_array_equal(encoded, [[0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]])


def test_multi_hot_marks_every_value():
    feature = FittedFeature("tags", "multi_hot", 5, ("a", "b"))
    encoded = encode(feature, [["b", "a"], [], ["x", "y"], None, ["a"]], STRINGS)
    np.testing.assert_array_equal(encoded, [[1, 1, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]])


def test_hash_buckets_are_the_same_in_every_process():
    encoded = encode(FittedFeature("artist", "hashed", 8), [["Satie"], ["Ravel", "Satie"], None], STRINGS)
    # python -c "import zlib; print(zlib.crc32(b'artist=Satie') % 8, zlib.crc32(b'artist=Ravel') % 8)"
    assert np.flatnonzero(encoded[0]).tolist() == [7]
    assert sorted(np.flatnonzero(encoded[1])) == [1, 7]
    assert encoded.sum(axis=1).tolist() == [1, 2, 0]


def test_numbers_are_standardized_clipped_and_marked_where_missing():
    feature = FittedFeature("tempo", "number", 1, mean=(100.0,), std=(20.0,))
    encoded = encode(feature, [100.0, 130.0, None, 1e9], pa.float64())
    np.testing.assert_allclose(encoded, [[0, 0], [1.5, 0], [0, 1], [10, 0]])
    assert feature_names(FittedFeatures((feature,))) == ["tempo", "tempo:missing"]


def test_a_vector_of_another_width_or_with_a_hole_counts_as_missing():
    feature = FittedFeature("audio", "vector", 2, mean=(1.0, 0.0), std=(2.0, 1.0))
    encoded = encode(feature, [[3.0, -1.0], [1.0], None, [1.0, None]], FLOATS)
    np.testing.assert_allclose(encoded, [[1, -1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]])


def test_slices_of_a_batch_encode_like_their_rows():
    feature = FittedFeature("tags", "multi_hot", 5, ("a", "b"))
    array = pa.array([["a"], ["b"], None, ["a", "b"], ["x"]], STRINGS)
    whole = encode_features([array], FittedFeatures((feature,)))
    part = encode_features([array.slice(1, 3)], FittedFeatures((feature,)))
    np.testing.assert_array_equal(part, whole[1:4])


def test_fitted_state_survives_json():
    fitted = FittedFeatures(
        (FittedFeature("mood", "one_hot", 5, ("é", "sad")), FittedFeature("tempo", "number", 1, (), (1.5,), (0.25,)))
    )
    assert FittedFeatures.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_no_number_becomes_nan(values):
    feature = FittedFeature("x", "number", 1, mean=(1e-30,), std=(1e-30,))
    encoded = encode(feature, values, pa.float64())
    assert np.isfinite(encoded).all()
    assert encoded[:, 1].tolist() == [float(value is None) for value in values]


def tokens(documents, max_tokens):
    return [from_cell(cell.as_py(), dtype=INT).tolist() for cell in token_cells(documents, WORDS, max_tokens)]


def test_tokens_are_ids_from_one_without_unknown_words():
    documents = pa.array([["night", "rain", "xyz", "rain"], [], None, ["xyz"], ["piano"]], STRINGS)
    assert tokens(documents, 10) == [[3, 1, 1], [], [], [], [2]]


def test_unknown_words_are_left_out_before_the_cut():
    assert tokens(pa.array([["xyz", "rain", "xyz", "piano", "night"]], STRINGS), 2) == [[1, 2]]


@given(st.lists(st.lists(st.sampled_from(["rain", "piano", "night", "xyz"]))), st.integers(1, 5))
def test_tokens_equal_a_plain_loop(documents, max_tokens):
    ids = {word: n for n, word in enumerate(WORDS.to_pylist(), start=1)}
    plain = [[ids[word] for word in document if word in ids][:max_tokens] for document in documents]
    assert tokens(pa.array(documents, STRINGS), max_tokens) == plain
