"""Items × words as a rating-like table: tf-idf of the documents' tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as f

from bgmrec import columns as c
from bgmrec.arrays import INT

_TOKENS = "idx int, word int"


def text_pairs(tokens: DataFrame, n_items: int) -> DataFrame:
    """(item_idx, word, rating, weight): (1 + log tf) · log(items / df), each item's row of length 1.

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

    counts = tokens.select(c.IDX, c.TOKENS).mapInArrow(explode, _TOKENS).groupBy("idx", "word").count()
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
