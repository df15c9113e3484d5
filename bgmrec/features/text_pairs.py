"""Items × words in the form of ratings: tf-idf of the documents' tokens, or of feature columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as f

from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT, INT

_TOKENS = "idx int, word int"


def text_pairs(tokens: DataFrame, n_items: int) -> DataFrame:
    """(item_idx, word, rating, weight): tf-idf of the words in the documents.

    Args:
        tokens: `schemas.ITEM_TOKENS`.
        n_items: items of the index.
    """

    def explode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            idx, cells = batch.column(0).to_numpy(), batch.column(1).to_pylist()
            words = [np.frombuffer(cell, INT) - 1 for cell in cells]
            rows = np.repeat(idx, [len(word) for word in words]).astype(np.int32)
            flat = np.concatenate([*words, np.zeros(0, np.int32)]).astype(np.int32)
            yield pa.RecordBatch.from_arrays([pa.array(rows), pa.array(flat)], ["idx", "word"])

    return tf_idf(tokens.select(c.IDX, c.TOKENS).mapInArrow(explode, _TOKENS), n_items)


def value_pairs(features: DataFrame, columns: np.ndarray, n_items: int) -> DataFrame:
    """The same for feature vectors: a column that is not 0 is a word, the number of the column its id.

    Args:
        features: `schemas.ENTITY_FEATURES` of the items.
        columns: positions in the vectors, for example those of a categorical field.
        n_items: items of the index.
    """

    def explode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            idx = batch.column(0).to_numpy()
            cells = [np.frombuffer(cell, FLOAT)[columns] for cell in batch.column(1).to_pylist()]
            row, column = np.nonzero(np.array(cells).reshape(len(idx), len(columns)))
            values = [pa.array(idx[row].astype(np.int32)), pa.array(columns[column].astype(np.int32))]
            yield pa.RecordBatch.from_arrays(values, ["idx", "word"])

    return tf_idf(features.select(c.IDX, c.FEATURES).mapInArrow(explode, _TOKENS), n_items)


def tf_idf(words: DataFrame, n_items: int) -> DataFrame:
    """(item_idx, word, rating, weight): (1 + log tf) · log(items / df), scaled to length 1 per item.

    Args:
        words: (idx, word), a row per occurrence.
        n_items: items of the index.
    """
    counts = words.groupBy("idx", "word").count()
    documents = counts.groupBy("word").agg(f.count(f.lit(1)).alias("documents"))
    value = (1 + f.log("count")) * f.log(f.lit(float(n_items)) / f.col("documents"))
    valued = counts.join(documents, on="word", how="inner").withColumn("value", value).where(f.col("value") > 0)
    of_item = (
        Window.partitionBy("idx").orderBy("word").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    )
    unit = f.col("value") / f.sqrt(f.sum(f.col("value") ** 2).over(of_item))
    return valued.select(
        f.col("idx").alias(c.ITEM_IDX), "word", unit.cast("float").alias(c.RATING), f.lit(1.0).alias(c.WEIGHT)
    )
