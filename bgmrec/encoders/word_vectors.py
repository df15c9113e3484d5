"""Initialises the item encoder's embedding with word vectors from a text file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from bgmrec.encoders.state import EncoderState
from bgmrec.errors import InputError


def with_word_vectors(state: EncoderState, vocabulary: Sequence[str], lines: Iterable[str]) -> EncoderState:
    """The TextCNN's state with these vectors as the embeddings of their words; other words keep their embedding.

    Args:
        state: state of a TextCNN.
        vocabulary: words of token ids 1, 2, …
        lines: "word v1 v2 …", the text format of GloVe and word2vec; a first line "words width" is skipped.

    Raises:
        InputError: the vector of a word of the vocabulary has another width than the embedding, or is not numeric.
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
                f"the vector of the word {word!r} does not match the embedding",
                where=f"item_encoder.word_vectors, line {number}",
                expected=f"{table.shape[1]} numbers (item_encoder.embedding_size)",
                found=f"{len(cells)} cells: {error}",
                hint="set item_encoder.embedding_size to the width of the file's vectors, or correct the line",
            ) from error
    return replace(state, weights={**state.weights, "embedding.weight": table})
