"""The validation value of a round for rating prediction; lower is better."""

from __future__ import annotations

import math
from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.delivery import deliver
from bgmrec.factorize.pairs import pair_errors
from bgmrec.factorize.shape import ModelShape
from bgmrec.session import arrow_batch


def rmse_validator(
    pair_blocks: DataFrame,
    shape: ModelShape,
    *,
    item_blocks: int,
    broadcast_bytes: int,
    clip: tuple[float, float] | None,
    blocks_per_batch: int,
) -> Callable[[DataFrame, DataFrame], float]:
    """(user factors, item factors) → RMSE over the held-out ratings.

    Args:
        pair_blocks: the held-out ratings as `schemas.RATING_BLOCKS` of the user side.
        shape: of the model.
        item_blocks: blocks of the item side.
        broadcast_bytes: largest factor table that is broadcast.
        clip: range that predicted ratings are clipped to.
        blocks_per_batch: blocks in one Arrow batch.
    """

    def validate(user_factors: DataFrame, item_factors: DataFrame) -> float:
        with (
            arrow_batch(pair_blocks.sparkSession, blocks_per_batch),
            deliver(item_factors, item_blocks, shape, broadcast_bytes=broadcast_bytes) as source,
        ):
            errors = pair_errors(pair_blocks, source, user_factors, shape, broadcast_bytes=broadcast_bytes, clip=clip)
            total = errors.agg(f.sum("squared_error").alias("error"), f.sum("pairs").alias("pairs")).collect()[0]
        return math.sqrt(total["error"] / total["pairs"])

    return validate
