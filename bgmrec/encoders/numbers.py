"""From settings to the numbers that networks and fits take; no other encoder module reads settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from bgmrec.config.model import FeedSettings, FitSettings, ItemEncoderSettings, UserEncoderSettings
from bgmrec.encoders.fit import FitNumbers
from bgmrec.encoders.losses import LossWeights


@dataclass(frozen=True)
class Decay:
    """The weight decay of one network.

    Args:
        of_tables: decay of input weights with one row per item or word, as a multiple of `weight_decay`.
        of_features: decay of weights that features are multiplied with, as a multiple of `weight_decay`.
        decoupled: True: weights shrink separately from Adam's step (AdamW); False: decays are L2 terms of the loss.
    """

    of_tables: float
    of_features: float
    decoupled: bool


# The ratios belong to the networks, and one setting scales them all.
DECAYS = {"asdae": Decay(100.0, 1.0, True), "text_cnn": Decay(1.0, 5.0, False)}


def asdae_numbers(
    settings: UserEncoderSettings, *, n_items: int, feature_width: int, width: int, bias: bool, explicit: bool
) -> dict[str, Any]:
    """Constructor arguments of the user encoder, `Asdae`.

    Args:
        settings: `[user_encoder]`.
        n_items: items of the index.
        feature_width: width of the user features.
        width: floats of a factor row.
        bias: whether factor rows end in a bias.
        explicit: whether ratings are predicted; in implicit mode every observed rating is 1.
    """
    return {
        "n_items": n_items,
        "feature_width": feature_width,
        "width": width,
        "hidden": list(settings.hidden),
        "use_ratings": settings.use_ratings,
        "use_item_factors": explicit and settings.prediction_weight > 0,
        "bias": bias,
        "use_presence": settings.use_presence,
        "rating_norm": settings.rating_norm,
        "corruption_rate": settings.corruption_rate,
        "feature_corruption_rate": settings.feature_corruption_rate,
        "dropout_rate": settings.dropout_rate,
    }


def text_cnn_numbers(
    settings: ItemEncoderSettings, *, vocabulary_size: int, feature_width: int, width: int
) -> dict[str, Any]:
    """Constructor arguments of the item encoder, `TextCnn`.

    Args:
        settings: `[item_encoder]`.
        vocabulary_size: token ids are 1 … vocabulary_size; 0: no documents.
        feature_width: width of the item features.
        width: floats of a factor row.
    """
    return {
        "vocabulary_size": vocabulary_size,
        "feature_width": feature_width,
        "width": width,
        "embedding_size": settings.embedding_size,
        "filters": settings.filters,
        "widths": list(settings.widths),
        "hidden": settings.hidden,
        "feature_hidden": settings.feature_hidden,
        "feature_skip": settings.feature_skip,
        "feature_dropout_rate": settings.feature_dropout_rate,
        "dropout_rate": settings.dropout_rate,
    }


def asdae_loss(settings: UserEncoderSettings) -> LossWeights:
    """Weights of the user encoder's loss terms: α of the reconstruction to the ratings, 1 - α to side information.

    Args:
        settings: `[user_encoder]`.
    """
    alpha = settings.rating_loss_weight
    return LossWeights(
        latent=settings.latent_weight,
        predicted=settings.prediction_weight,
        ratings=settings.reconstruction_weight * alpha,
        features=settings.reconstruction_weight * (1 - alpha),
    )


def fit_numbers(
    settings: FitSettings, feed: FeedSettings, loss: LossWeights, decay: Decay, *, first: bool
) -> FitNumbers:
    """Hyper-parameters of a fit.

    Args:
        settings: `[user_encoder.fit]` or `[item_encoder.fit]`.
        feed: `[feed]`.
        loss: weights of the loss terms.
        decay: decay of the network's weights, from `DECAYS`.
        first: True: the first fit, from random weights; False: a later one, from the last round's weights.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    on_driver = feed.local or feed.processes == 0
    threads = max(1, cores // max(1, feed.processes)) if on_driver else 1
    return FitNumbers(
        epochs=settings.first_epochs if first else settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        table_weight_decay=decay.of_tables * settings.weight_decay,
        feature_weight_decay=decay.of_features * settings.weight_decay,
        decoupled_decay=decay.decoupled,
        loss=loss,
        threads=feed.threads or threads,
        exchange_every=feed.exchange_every,
    )
