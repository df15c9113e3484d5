"""The start of a training: random item factors, or those of an earlier run."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.factors import initial_factors, pack_factors, unpack_factors
from bgmrec.factorize.kernels.noise import ITEM_SIDE
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.storage import columns as c
from bgmrec.storage.models import StoredModel
from bgmrec.storage.tables import Tables


def write_start(
    store: Tables,
    n_items: int,
    num_blocks: int,
    shape: ModelShape,
    *,
    seed: int,
    scale: float,
    previous: StoredModel | None,
) -> bool:
    """Writes the item factors of round 0, unless an interrupted training did. An action.

    Args:
        store: folder of round 0.
        n_items: entities of the item side.
        num_blocks: blocks of the item side.
        shape: shape of the model.
        seed: seed of the random factors.
        scale: standard deviation of the random factors.
        previous: the model to start from; ignored if its rank or bias differ. None: all factors are random.

    Returns:
        Whether the factors come from an earlier run.
    """
    fits = previous is not None and _fits(previous, shape)
    if store.exists("item_half_step"):
        return fits
    drawn = initial_factors(store.spark, n_items, num_blocks, shape, seed=seed, side=ITEM_SIDE, scale=scale)
    rows = _warm_rows(drawn, num_blocks, previous) if fits and previous else None
    blocks = drawn if rows is None else pack_factors(rows, n_items, num_blocks)
    unsummed = blocks.withColumn("squared_error", f.lit(0.0)).withColumn("penalty", f.lit(0.0))
    store.write(unsummed, "item_half_step")
    return fits


def _fits(previous: StoredModel, shape: ModelShape) -> bool:
    earlier = previous.facts["shape"]
    return bool((earlier["rank"], earlier["bias"]) == (shape.rank, shape.bias))


def _warm_rows(drawn: DataFrame, num_blocks: int, previous: StoredModel) -> DataFrame:
    """The earlier run's row of every item that has one, else the random row; an id keeps its idx from run to run."""
    earlier = unpack_factors(previous.table("item_factors"), previous.facts["item_blocks"])
    before = earlier.select(c.IDX, f.col(c.FEATURES).alias("before"))
    rows = unpack_factors(drawn, num_blocks).join(before, c.IDX, "left")
    return rows.select(c.IDX, f.coalesce("before", c.FEATURES).alias(c.FEATURES))
