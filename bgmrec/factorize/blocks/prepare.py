"""Prepares the rounds: sizes of the data, and the rating blocks of both sides, each computed once per training."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.config.model import FactorizeSettings
from bgmrec.errors import TrainingError
from bgmrec.factorize.blocks.ratings import num_blocks, rating_blocks
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.runtime.session import arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage.tables import Tables

# input of blocking: ratings are narrow rows, for which Spark's default is right; blocks leave one per batch anyway
ROWS_PER_BATCH = 10_000
MINIMUM_RATINGS = 10  # with fewer the input is wrong, whatever the model


@dataclass(frozen=True)
class DataSizes:
    """Sizes of the data, and the number of blocks.

    Args:
        users: users of the index, cold ones included.
        items: items of the index, cold ones included.
        train: training ratings.
        valid: validation ratings.
        mean: weighted mean of the training ratings.
        user_blocks: blocks of the user side.
        item_blocks: blocks of the item side.
    """

    users: int
    items: int
    train: int
    valid: int
    mean: float
    user_blocks: int
    item_blocks: int

    def shape(self, settings: FactorizeSettings) -> ModelShape:
        """The shape of the model; implicit mode has no mean.

        Args:
            settings: `[factorize]`.
        """
        centred = settings.center and settings.mode == "explicit"
        return ModelShape(settings.rank, settings.bias, self.mean if centred else 0.0)


def measure(
    scratch: Tables,
    ratings: DataFrame,
    user_index: DataFrame,
    item_index: DataFrame,
    settings: FactorizeSettings,
) -> DataSizes:
    """Counts ratings and entities, once per training: the result is kept in the scratch. An action.

    Args:
        scratch: scratch of the training.
        ratings: `schemas.RATINGS_SPLIT`.
        user_index: `schemas.USER_INDEX`.
        item_index: `schemas.ITEM_INDEX`.
        settings: `[factorize]`.

    Raises:
        TrainingError: there are too few training ratings.
    """
    saved = scratch.read_json("sizes")
    if saved is not None:
        return DataSizes(**saved)
    weight = f.col(c.WEIGHT).cast("double")
    parts = ratings.groupBy(c.PART).agg(
        f.count(f.lit(1)).alias("n"), f.sum(weight).alias("weight"), f.sum(weight * f.col(c.RATING)).alias("total")
    )
    by_part = {row[c.PART]: row for row in parts.collect()}
    train = by_part.get(c.TRAIN)
    if train is None or train["n"] < MINIMUM_RATINGS or not train["weight"]:
        raise TrainingError(
            "there are too few training ratings",
            where="ratings_split",
            expected=f"at least {MINIMUM_RATINGS}, with a total weight above 0",
            found=f"{train['n']} with a total weight of {train['weight']}" if train else "none",
            hint="look at the counts of ingest_ratings, at rating_rejects, and at the dates in [split]",
        )
    valid = by_part[c.VALID]["n"] if c.VALID in by_part else 0
    users, items = user_index.count(), item_index.count()
    ratings_in_all = train["n"] + valid
    sizes = DataSizes(
        users,
        items,
        train["n"],
        valid,
        train["total"] / train["weight"],
        num_blocks(users, ratings_in_all, settings),
        num_blocks(items, ratings_in_all, settings),
    )
    scratch.write_json("sizes", asdict(sizes))
    return sizes


def write_blocks(store: Tables, ratings: DataFrame, sizes: DataSizes) -> None:
    """Writes the rating blocks of both sides, unless an interrupted run has written them. An action.

    Args:
        store: gets `user_rating_blocks` and `item_rating_blocks`.
        ratings: the ratings to solve for.
        sizes: sizes of the data.
    """
    sides = (
        (c.USER_IDX, c.ITEM_IDX, "user", sizes.user_blocks, sizes.users),
        (c.ITEM_IDX, c.USER_IDX, "item", sizes.item_blocks, sizes.items),
    )
    for dst, src, name, blocks, n in sides:
        _write_once(store, f"{name}_rating_blocks", ratings, (dst, src, blocks, n))


def write_user_blocks(store: Tables, name: str, ratings: DataFrame, sizes: DataSizes) -> None:
    """Writes some ratings as blocks of the user side, unless an interrupted run has written them. An action.

    Args:
        store: gets the table.
        name: name of the table.
        ratings: for example held-out ratings to score, or the items that users have seen.
        sizes: sizes of the data.
    """
    side = (c.USER_IDX, c.ITEM_IDX, sizes.user_blocks, sizes.users)
    _write_once(store, name, ratings, side)


def _write_once(store: Tables, name: str, ratings: DataFrame, side: tuple[str, str, int, int]) -> None:
    if not store.exists(name):
        with arrow_batch(store.spark, ROWS_PER_BATCH):
            store.write(rating_blocks(ratings, *side), name)
