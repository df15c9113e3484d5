"""What the rounds need, measured and written once: sizes, rating blocks of both sides, blocks to validate on."""

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

# rows into blocks: the ratings come as narrow rows, Spark's default; blocks go out one per batch anyway
ROWS_PER_BATCH = 10_000


@dataclass(frozen=True)
class Sizes:
    """How much there is, and how it is cut into blocks.

    Args:
        users, items: entities of the index, cold ones included.
        train, valid: ratings of each part.
        mean: weighted mean of the training ratings.
        user_blocks, item_blocks: blocks per side.
    """

    users: int
    items: int
    train: int
    valid: int
    mean: float
    user_blocks: int
    item_blocks: int

    def shape(self, settings: FactorizeSettings) -> ModelShape:
        """The model's shape; nothing is centred in implicit mode."""
        centred = settings.center and settings.mode == "explicit"
        return ModelShape(settings.rank, settings.bias, self.mean if centred else 0.0)


def measure(
    scratch: Tables,
    ratings: DataFrame,
    user_index: DataFrame,
    item_index: DataFrame,
    settings: FactorizeSettings,
    minimum_ratings: int,
) -> Sizes:
    """Counts once and remembers it in the scratch. An action.

    Args:
        scratch: of the training.
        ratings: `schemas.RATINGS_SPLIT`.
        user_index, item_index: all entities.
        settings: `[factorize]`.
        minimum_ratings: fewer training ratings than this are no base for a model.

    Raises:
        TrainingError: there are too few training ratings.
    """
    known = scratch.read_json("sizes")
    if known is not None:
        return Sizes(**known)
    weight = f.col(c.WEIGHT).cast("double")
    parts = ratings.groupBy(c.PART).agg(
        f.count(f.lit(1)).alias("n"), f.sum(weight).alias("weight"), f.sum(weight * f.col(c.RATING)).alias("total")
    )
    found = {row[c.PART]: row for row in parts.collect()}
    train = found.get(c.TRAIN)
    if train is None or train["n"] < minimum_ratings or not train["weight"]:
        raise TrainingError(
            "there are too few training ratings",
            where="ratings_split",
            expected=f"at least {minimum_ratings} with weight (train.minimum_ratings)",
            found=str(train["n"] if train else 0),
            hint="check the rating sources, the rejects and [split]",
        )
    valid = found[c.VALID]["n"] if c.VALID in found else 0
    users, items = user_index.count(), item_index.count()
    every = train["n"] + valid
    sizes = Sizes(
        users,
        items,
        train["n"],
        valid,
        train["total"] / train["weight"],
        num_blocks(users, every, settings),
        num_blocks(items, every, settings),
    )
    scratch.write_json("sizes", asdict(sizes))
    return sizes


def write_blocks(store: Tables, ratings: DataFrame, sizes: Sizes) -> None:
    """Writes the rating blocks of both sides, unless an interrupted run left them.

    Args:
        place: gets `user_rating_blocks` and `item_rating_blocks`.
        ratings: the ratings to solve for.
        sizes: of the night.
    """
    sides = (
        (c.USER_IDX, c.ITEM_IDX, "user", sizes.user_blocks, sizes.users),
        (c.ITEM_IDX, c.USER_IDX, "item", sizes.item_blocks, sizes.items),
    )
    for dst, src, name, blocks, n in sides:
        _write_once(store, f"{name}_rating_blocks", ratings, (dst, src, blocks, n))


def write_user_blocks(store: Tables, name: str, ratings: DataFrame, sizes: Sizes) -> None:
    """Writes some ratings as blocks of the user side: held-out ones to be scored, or what users have heard."""
    side = (c.USER_IDX, c.ITEM_IDX, sizes.user_blocks, sizes.users)
    _write_once(store, name, ratings, side)


def _write_once(store: Tables, name: str, ratings: DataFrame, side: tuple[str, str, int, int]) -> None:
    if not store.exists(name):
        with arrow_batch(store.spark, ROWS_PER_BATCH):
            store.write(rating_blocks(ratings, *side), name)
