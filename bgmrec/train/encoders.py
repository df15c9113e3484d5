"""Both sides' encoders for a night: their inputs written once, their networks sized by what there is to see."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.config.settings import Settings
from bgmrec.encoders.losses import LossWeights
from bgmrec.encoders.numbers import asdae_loss, asdae_numbers, fit_numbers, text_cnn_numbers
from bgmrec.encoders.state import initial_state
from bgmrec.encoders.word_vectors import with_word_vectors
from bgmrec.factorize.blocks.prepare import Sizes, write_user_blocks
from bgmrec.factorize.blocks.ratings import unpack_ratings
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.feed.tables import centred_ratings, item_inputs, user_inputs
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT
from bgmrec.storage.tables import Tables
from bgmrec.train.refit import SideEncoder


def make_user_encoder(
    scratch: Tables,
    settings: Settings,
    sizes: Sizes,
    features: DataFrame,
    train: DataFrame,
    leaked: DataFrame | None = None,
) -> SideEncoder | None:
    """The aSDAE, or none where the settings want another.

    Args:
        scratch: of the training; has `user_rating_blocks` of the training ratings, gets `user_inputs`.
        settings: all settings.
        sizes: of the night.
        features: `schemas.ENTITY_FEATURES` of the users.
        train: the training ratings, which enter it.
        leaked: the ratings that enter it instead, where a leak is to be measured.
    """
    own = settings.user_encoder
    width = _width(features)
    if own.kind != "asdae" or not (own.use_ratings or width):
        return None
    shape = sizes.shape(settings.factorize)
    numbers = asdae_numbers(
        own,
        n_items=sizes.items,
        feature_width=width,
        width=shape.width,
        bias=shape.bias,
        explicit=settings.factorize.mode == "explicit",
    )
    seen = train if leaked is None else leaked
    ratings = _encoder_ratings(seen, shape, settings, follows_factors=numbers["use_item_factors"])
    rated = "user_rating_blocks"
    if ratings is not train or settings.trend.exponent:  # other values than those that are solved for
        rated = "encoder_rating_blocks"
        write_user_blocks(scratch, rated, ratings.withColumn(c.WEIGHT, f.lit(1.0)), sizes)
    with arrow_batch(scratch.spark, BLOCKS_PER_BATCH):
        rows = unpack_ratings(scratch.read(rated), sizes.user_blocks)
        inputs = _write_once(
            scratch, "user_inputs", user_inputs(features, rows, weight_exponent=own.fit.weight_exponent)
        )
    return SideEncoder(
        side="user",
        n=sizes.users,
        num_blocks=sizes.user_blocks,
        inputs=inputs,
        initial=initial_state("asdae", numbers, settings.seed),
        first=fit_numbers(own.fit, settings.feed, asdae_loss(own), first=True),
        later=fit_numbers(own.fit, settings.feed, asdae_loss(own), first=False),
        rank=settings.factorize.rank,
        held_out_share=own.fit.held_out_share,
        feed=settings.feed,
        seed=settings.seed,
    )


def make_item_encoder(
    scratch: Tables,
    settings: Settings,
    sizes: Sizes,
    features: DataFrame,
    tokens: DataFrame,
    vocabulary: list[str],
    train: DataFrame,
) -> SideEncoder | None:
    """The TextCNN, or none where the settings want another or nothing is known of the items.

    Args:
        scratch: of the training; gets `item_inputs`.
        settings: all settings.
        sizes: of the night.
        features: `schemas.ENTITY_FEATURES` of the items.
        tokens: `schemas.ITEM_TOKENS`.
        vocabulary: word of token id 1, 2, …
        train: training ratings, for the weights alone.
    """
    own = settings.item_encoder
    width = _width(features)
    if own.kind != "text_cnn" or not (vocabulary or width):
        return None
    numbers = text_cnn_numbers(
        own,
        vocabulary_size=len(vocabulary),
        feature_width=width,
        width=sizes.shape(settings.factorize).width,
    )
    initial = initial_state("text_cnn", numbers, settings.seed)
    if own.word_vectors and vocabulary:
        with Path(own.word_vectors).open(encoding="utf-8") as lines:
            initial = with_word_vectors(initial, vocabulary, lines)
    rows = item_inputs(features, tokens, train, weight_exponent=own.fit.weight_exponent)
    return SideEncoder(
        side="item",
        n=sizes.items,
        num_blocks=sizes.item_blocks,
        inputs=_write_once(scratch, "item_inputs", rows),
        initial=initial,
        first=fit_numbers(own.fit, settings.feed, LossWeights(), first=True),
        later=fit_numbers(own.fit, settings.feed, LossWeights(), first=False),
        rank=settings.factorize.rank,
        held_out_share=own.fit.held_out_share,
        feed=settings.feed,
        seed=settings.seed,
    )


def _encoder_ratings(seen: DataFrame, shape: ModelShape, settings: Settings, *, follows_factors: bool) -> DataFrame:
    """Ratings as the aSDAE takes them: what is left to explain of explicit ones, or as they are; preferences too."""
    if settings.factorize.mode == "implicit" or not settings.user_encoder.center_ratings:
        return seen
    if follows_factors:  # the running item biases leave inside the network, round by round
        return seen.withColumn(c.RATING, (f.col(c.RATING) - f.lit(shape.mean)).cast("float"))
    return centred_ratings(seen, mean=shape.mean)


def _width(features: DataFrame) -> int:
    first = features.first()
    return 0 if first is None else len(first[c.FEATURES]) // FLOAT.itemsize


def _write_once(scratch: Tables, name: str, df: DataFrame) -> DataFrame:
    return scratch.read(name) if scratch.exists(name) else scratch.write(df, name)
