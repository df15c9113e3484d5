"""The encoders of both sides: their input tables, and their networks in the sizes of the data."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.config.settings import Settings
from bgmrec.encoders.losses import LossWeights
from bgmrec.encoders.numbers import DECAYS, asdae_loss, asdae_numbers, fit_numbers, text_cnn_numbers
from bgmrec.encoders.state import initial_state
from bgmrec.encoders.word_vectors import with_word_vectors
from bgmrec.factorize.blocks.prepare import DataSizes, write_user_blocks
from bgmrec.factorize.blocks.ratings import unpack_ratings
from bgmrec.feed.tables import centred_ratings, item_inputs, user_inputs
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage.tables import Tables
from bgmrec.train.refit import SideEncoder


def uses_asdae(settings: Settings, feature_width: int) -> bool:
    """Whether the user side has an aSDAE: the settings ask for one, and there is something to encode.

    Args:
        settings: all settings.
        feature_width: width of the user features.
    """
    section = settings.user_encoder
    return section.kind == "asdae" and (section.use_ratings or feature_width > 0)


def uses_text_cnn(settings: Settings, feature_width: int, vocabulary: list[str]) -> bool:
    """Whether the item side has a TextCNN: the settings ask for one, and there is something to encode.

    Args:
        settings: all settings.
        feature_width: width of the item features.
        vocabulary: words of token ids 1, 2, …
    """
    return settings.item_encoder.kind == "text_cnn" and (bool(vocabulary) or feature_width > 0)


def write_user_inputs(
    scratch: Tables,
    settings: Settings,
    sizes: DataSizes,
    features: DataFrame,
    train: DataFrame,
    leaked: DataFrame | None = None,
) -> DataFrame:
    """Writes `user_inputs`, what the aSDAE reads, unless an interrupted training did. An action.

    Args:
        scratch: scratch of the training; has `user_rating_blocks` of the training ratings.
        settings: all settings.
        sizes: sizes of the data.
        features: `schemas.ENTITY_FEATURES` of the users.
        train: training ratings, which the encoder reads.
        leaked: ratings that the encoder reads instead, for a study that measures a leak.
    """
    if scratch.exists("user_inputs"):
        return scratch.read("user_inputs")
    ratings = _encoder_ratings(train if leaked is None else leaked, sizes, settings)
    blocks = "user_rating_blocks"
    if ratings is not train or settings.trend.exponent:  # the solved ratings have other values
        blocks = "encoder_rating_blocks"
        write_user_blocks(scratch, blocks, ratings.withColumn(c.WEIGHT, f.lit(1.0)), sizes)
    with arrow_batch(scratch.spark, BLOCKS_PER_BATCH):
        rated = unpack_ratings(scratch.read(blocks), sizes.user_blocks)
        weight_exponent = settings.user_encoder.fit.weight_exponent
        return scratch.write(user_inputs(features, rated, weight_exponent=weight_exponent), "user_inputs")


def make_user_encoder(settings: Settings, sizes: DataSizes, inputs: DataFrame, feature_width: int) -> SideEncoder:
    """The aSDAE with random weights.

    Args:
        settings: all settings.
        sizes: sizes of the data.
        inputs: from `write_user_inputs`.
        feature_width: width of the user features.
    """
    section = settings.user_encoder
    shape = sizes.shape(settings.factorize)
    numbers = asdae_numbers(
        section,
        n_items=sizes.items,
        feature_width=feature_width,
        width=shape.width,
        bias=shape.bias,
        explicit=settings.factorize.mode == "explicit",
    )
    loss, decay = asdae_loss(section), DECAYS["asdae"]
    return SideEncoder(
        side="user",
        n=sizes.users,
        num_blocks=sizes.user_blocks,
        inputs=inputs,
        initial=initial_state("asdae", numbers, settings.seed),
        first=fit_numbers(section.fit, settings.feed, loss, decay, first=True),
        later=fit_numbers(section.fit, settings.feed, loss, decay, first=False),
        rank=settings.factorize.rank,
        held_out_share=section.fit.held_out_share,
        feed=settings.feed,
        seed=settings.seed,
    )


def write_item_inputs(
    scratch: Tables, settings: Settings, features: DataFrame, tokens: DataFrame, train: DataFrame
) -> DataFrame:
    """Writes `item_inputs`, what the TextCNN reads, unless an interrupted training did. An action.

    Args:
        scratch: scratch of the training.
        settings: all settings.
        features: `schemas.ENTITY_FEATURES` of the items.
        tokens: `schemas.ITEM_TOKENS`.
        train: training ratings, of which only the number per item is used.
    """
    if scratch.exists("item_inputs"):
        return scratch.read("item_inputs")
    weight_exponent = settings.item_encoder.fit.weight_exponent
    return scratch.write(item_inputs(features, tokens, train, weight_exponent=weight_exponent), "item_inputs")


def make_item_encoder(
    settings: Settings, sizes: DataSizes, inputs: DataFrame, feature_width: int, vocabulary: list[str]
) -> SideEncoder:
    """The TextCNN with random weights, and with word vectors where the settings name a file.

    Args:
        settings: all settings.
        sizes: sizes of the data.
        inputs: from `write_item_inputs`.
        feature_width: width of the item features.
        vocabulary: words of token ids 1, 2, …
    """
    section = settings.item_encoder
    numbers = text_cnn_numbers(
        section,
        vocabulary_size=len(vocabulary),
        feature_width=feature_width,
        width=sizes.shape(settings.factorize).width,
    )
    initial = initial_state("text_cnn", numbers, settings.seed)
    if section.word_vectors and vocabulary:
        with Path(section.word_vectors).open(encoding="utf-8") as lines:
            initial = with_word_vectors(initial, vocabulary, lines)
    decay = DECAYS["text_cnn"]
    return SideEncoder(
        side="item",
        n=sizes.items,
        num_blocks=sizes.item_blocks,
        inputs=inputs,
        initial=initial,
        first=fit_numbers(section.fit, settings.feed, LossWeights(), decay, first=True),
        later=fit_numbers(section.fit, settings.feed, LossWeights(), decay, first=False),
        rank=settings.factorize.rank,
        held_out_share=section.fit.held_out_share,
        feed=settings.feed,
        seed=settings.seed,
    )


def _encoder_ratings(ratings: DataFrame, sizes: DataSizes, settings: Settings) -> DataFrame:
    """The ratings that enter the aSDAE: in explicit mode centred, unless the settings say otherwise."""
    explicit, section = settings.factorize.mode == "explicit", settings.user_encoder
    if not (explicit and section.center_ratings):
        return ratings
    mean = sizes.shape(settings.factorize).mean
    if section.prediction_weight > 0:  # the network subtracts the running item biases itself
        return ratings.withColumn(c.RATING, (f.col(c.RATING) - f.lit(mean)).cast("float"))
    return centred_ratings(ratings, mean=mean)
