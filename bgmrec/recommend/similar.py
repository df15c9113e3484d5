"""Similar items: the nearest items by the cosine of their factors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.recommend.blocked import Decode, Lists, Queries, block_lists
from bgmrec.recommend.kernel import Seen, Shard
from bgmrec.recommend.shards import map_shards
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import from_cell


def similar_items(
    item_factors: DataFrame, items: Shard | DataFrame, *, shape: ModelShape, num_blocks: int, n: int
) -> AbstractContextManager[DataFrame]:
    """The n candidates nearest to every item: `schemas.SIMILAR`. Read the result inside the context.

    score = v·w / (‖v‖ ‖w‖) over the factors without the bias, from -1 to 1. The item itself is left out, and so are
    items whose factors are all zero: they have neither ratings nor side information. Run the plan inside
    `session.arrow_batch(spark, 1)`.

    Args:
        item_factors: `schemas.FACTOR_BLOCKS` of all items.
        items: the candidates, as for `top_n`.
        shape: rank and bias of the model.
        num_blocks: blocks of the item side.
        n: length of a list.
    """
    return block_lists(
        item_factors,
        directions(items, shape.rank) if isinstance(items, Shard) else map_shards(items, _turn(shape.rank)),
        n=n,
        per_group=0,
        decode=_decoder(shape, num_blocks),
        finish=_finish,
        schema=schemas.SIMILAR,
    )


def directions(shard: Shard, rank: int) -> Shard:
    """The shard with factors of length 1, without items whose factors are all zero.

    Args:
        shard: the candidates.
        rank: latent dimensions; a bias behind them is left out.
    """
    vectors = _unit(shard.factors[:, :rank])
    nonzero = vectors.any(axis=1)
    return Shard(shard.idx[nonzero], vectors[nonzero], shard.groups[nonzero])


def _turn(rank: int) -> Callable[[Shard], Shard]:
    return lambda shard: directions(shard, rank)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _decoder(shape: ModelShape, num_blocks: int) -> Decode:
    def decode(row: dict) -> Queries:
        rows = row[c.N_ROWS]
        vectors = _unit(from_cell(row[c.FACTORS], shape.width)[:, : shape.rank])
        idx = (np.arange(rows) * num_blocks + row[c.BLOCK]).astype(np.int32)
        itself = Seen(np.arange(rows + 1, dtype=np.int64), idx)
        kind = np.asarray(vectors.any(axis=1), np.int8)
        return Queries(row[c.BLOCK], idx, vectors, np.zeros(rows, np.float32), itself, kind)

    return decode


def _finish(lists: Lists) -> pa.RecordBatch:
    top = lists.top
    filled = (np.arange(top.scores.shape[1]) < top.counts[:, None]) & (lists.kind > 0)[:, None]
    item, column = np.nonzero(filled)
    arrays = [
        pa.array(lists.idx[item], pa.int32()),
        pa.array(column + 1, pa.int32()),
        pa.array(top.idx[filled], pa.int32()),
        pa.array(np.clip(top.scores[filled], -1.0, 1.0), pa.float32()),  # rounding may leave 1.0000001
    ]
    return pa.RecordBatch.from_arrays(arrays, schemas.SIMILAR.names)
