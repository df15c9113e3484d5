"""Word vectors land in the rows of their tokens and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from bgmrec.encoders.state import initial_state
from bgmrec.encoders.word_vectors import with_word_vectors
from bgmrec.errors import InputError

STATE = initial_state("text_cnn", {"vocabulary_size": 3, "feature_width": 0, "width": 2, "embedding_size": 2}, 1)


def test_known_words_take_their_vectors_and_others_keep_theirs():
    lines = ["2 2\n", "flute 1.0 2.0\n", "tuba 3 4\n", "oboe -1 5e-1 \n"]
    table = with_word_vectors(STATE, ["drum", "flute", "oboe"], lines).weights["embedding.weight"]
    assert table[2:].tolist() == [[1, 2], [-1, 0.5]]
    np.testing.assert_array_equal(table[:2], STATE.weights["embedding.weight"][:2])
    assert not table[0].any()  # padding


@pytest.mark.parametrize("line", ["flute 1.0", "flute 1 2 3", "flute one two"])
def test_a_vector_that_does_not_fit_is_refused(line: str):
    with pytest.raises(InputError, match=r"flute[\s\S]*line 2[\s\S]*2 numbers"):
        with_word_vectors(STATE, ["drum", "flute"], ["drum 1 2", line])
