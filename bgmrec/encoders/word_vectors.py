"""Word vectors from a text file as the start of the item encoder's embedding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from bgmrec.encoders.state import EncoderState
from bgmrec.errors import InputError


def with_word_vectors(state: EncoderState, vocabulary: Sequence[str], lines: Iterable[str]) -> EncoderState:
    """The TextCNN with known words' vectors in the rows of their token ids; other words keep theirs.

    Args:
        state: of a TextCNN.
        vocabulary: word of token id 1, 2, …
        lines: "word v1 v2 …", as GloVe and word2vec's text format have them; a first line "words width" is passed.

    Raises:
        InputError: a vector of a known word is not as wide as the embedding, or not of numbers.
    """
    tokens = {word: token for token, word in enumerate(vocabulary, start=1)}
    table = state.weights["embedding.weight"].copy()
    for number, line in enumerate(lines, start=1):
        word, *cells = line.rstrip().split(" ")
        if word not in tokens or (number == 1 and len(cells) == 1):
            continue
        try:
            table[tokens[word]] = np.array(cells, np.float32).reshape(table.shape[1])
        except ValueError as error:
            raise InputError(
                f"the vector of {word!r} does not fit the embedding",
                where=f"item_encoder.word_vectors, line {number}",
                expected=f"{table.shape[1]} numbers (item_encoder.embedding_size)",
                found=str(error),
            ) from error
    return replace(state, weights={**state.weights, "embedding.weight": table})
