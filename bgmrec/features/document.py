"""Item documents → token ids, by a vocabulary of the words of training items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.features import DocumentSettings
from bgmrec.errors import SettingsError
from bgmrec.features.plain_text import plain_text
from bgmrec.storage import columns as c
from bgmrec.storage.schemas import ITEM_TOKENS

PADDING = 0

# runs of letters, marks and digits; scripts that write no spaces between words: each of their characters is a word
_SCRIPTS = (
    *("Han", "Hiragana", "Katakana", "Bopomofo", "Yi"),
    *("Thai", "Lao", "Khmer", "Myanmar", "Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Javanese", "Balinese"),
)
_LETTER = r"\p{L}\p{M}\p{N}"
# All these scripts begin at U+0E00: Latin letters, for which Java would look up each script, are decided before.
_BELOW, _ABOVE = r"[\x{0}-\x{DFF}]", r"[\x{E00}-\x{10FFFF}]"
_UNSPACED = "".join(rf"\p{{Is{script}}}" for script in _SCRIPTS)
_WORD = rf"[[{_LETTER}&&{_BELOW}][{_LETTER}&&{_ABOVE}&&[^{_UNSPACED}]]]+|[{_ABOVE}&&[{_UNSPACED}]]"
_WORDS = "words"


@dataclass(frozen=True)
class Vocabulary:
    """Words in the order of their ids; the first word has id 1, 0 is padding."""

    words: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of ids, padding included."""
        return len(self.words) + 1

    def to_json(self) -> list[str]:
        """The words, for `fitted_features`."""
        return list(self.words)


def fit_vocabulary(items: DataFrame, settings: DocumentSettings) -> Vocabulary:
    """The most frequent words of the training documents, by falling number of documents, ties by word.

    An action; collects the vocabulary alone.

    Args:
        items: `idx` and fields of the items with training ratings, no others.
        settings: `item_features.document`.

    Raises:
        SettingsError: items have no such field.
    """
    if not settings.fields:
        return Vocabulary(())
    documents = items.select(f.array_distinct(_words(items, settings)).alias(_WORDS)).where(f.size(_WORDS) > 0)
    n_documents = documents.agg(f.count(f.lit(1)).alias("_documents"))  # one row
    counts = documents.select(f.explode(_WORDS).alias("word")).groupBy("word").agg(f.count(f.lit(1)).alias("n"))
    kept = counts.crossJoin(f.broadcast(n_documents)).where(
        (f.col("n") >= settings.min_documents) & (f.col("n") <= settings.max_document_share * f.col("_documents"))
    )
    top = kept.orderBy(f.desc("n"), "word").limit(settings.vocabulary_size)
    return Vocabulary(tuple(row["word"] for row in top.collect()))


def tokenize(items: DataFrame, vocabulary: Vocabulary, settings: DocumentSettings) -> DataFrame:
    """`(idx, tokens)` for every item: the ids of its first `max_tokens` words in the vocabulary, in order.

    An item without such words gets an empty cell.

    Args:
        items: `idx` and fields of all items.
        vocabulary: the fitted words.
        settings: `item_features.document`.
    """
    words, max_tokens = vocabulary.words, settings.max_tokens

    def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        value_set = pa.array(words, pa.string())
        for batch in batches:
            idx, documents = batch.columns
            yield pa.RecordBatch.from_arrays(
                [idx, token_cells(documents, value_set, max_tokens)], names=[c.IDX, c.TOKENS]
            )

    return items.select(c.IDX, _words(items, settings).alias(_WORDS)).mapInArrow(encode, ITEM_TOKENS)


def token_cells(documents: pa.Array, words: pa.Array, max_tokens: int) -> pa.Array:
    """Lists of words → binary cells of int32 ids from 1; words outside the vocabulary do not count as tokens.

    Args:
        documents: (n,) lists of strings.
        words: the vocabulary.
        max_tokens: longest cell, in tokens.
    """
    codes = pc.index_in(documents.flatten(), value_set=words)
    in_vocabulary = codes.is_valid().to_numpy(zero_copy_only=False)
    ids = codes.drop_null().to_numpy(zero_copy_only=False).astype("<i4") + np.int32(PADDING + 1)
    rows = pc.list_parent_indices(documents).to_numpy(zero_copy_only=False)[in_vocabulary]
    lengths = np.bincount(rows, minlength=len(documents))
    first = np.cumsum(lengths) - lengths
    kept = np.arange(len(ids)) - first[rows] < max_tokens  # position in the document
    offsets = np.zeros(len(documents) + 1, np.int32)
    np.cumsum(4 * np.minimum(lengths, max_tokens), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(ids[kept], dtype="<i4"))]
    return pa.BinaryArray.from_buffers(pa.binary(), len(documents), buffers)


def _words(items: DataFrame, settings: DocumentSettings) -> Column:
    """The words of the document in order, in lower case."""
    texts = [_text(items, field) for field in settings.fields]
    if not texts:
        return f.array().cast("array<string>")
    document = f.lower(f.concat_ws(" ", *texts))
    return f.regexp_extract_all(document, f.lit(_WORD), f.lit(0))


def _text(items: DataFrame, field: str) -> Column:
    if field not in items.columns:
        raise SettingsError(
            f"items have no field {field} for the document",
            where="item_features.document.fields",
            expected=f"one of {', '.join(name for name in items.columns if name != c.IDX)}",
            found=field,
            hint="correct the name, or add the field to items.fields",
        )
    column = f.col(field)
    is_array = isinstance(items.schema[field].dataType, t.ArrayType)
    return plain_text(f.concat_ws(" ", column.cast("array<string>")) if is_array else column.cast("string"))
