"""From settings to the numbers that networks and fits take: settings themselves go no further."""

from __future__ import annotations

import os
from typing import Any

from bgmrec.config.model import FeedSettings, FitSettings, ItemEncoderSettings, UserEncoderSettings
from bgmrec.encoders.fit import FitNumbers
from bgmrec.encoders.losses import LossWeights


def asdae_numbers(
    settings: UserEncoderSettings, *, n_items: int, feature_width: int, width: int, bias: bool, explicit: bool
) -> dict[str, Any]:
    """Constructor numbers of the user encoder.

    Args:
        settings: `[user_encoder]`.
        n_items: items of the index.
        feature_width: of the user features.
        width: of a factor row.
        bias: whether factor rows end in a bias.
        explicit: whether ratings are predicted; in implicit mode all that is observed is 1.
    """
    return {
        "n_items": n_items,
        "feature_width": feature_width,
        "width": width,
        "hidden": list(settings.hidden),
        "activation_name": settings.activation,
        "prior_activation": settings.prior_activation,
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
    """Constructor numbers of the item encoder.

    Args:
        settings: `[item_encoder]`.
        vocabulary_size: tokens are 1 … vocabulary_size; 0 without documents.
        feature_width: of the item features.
        width: of a factor row.
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
        "prior_activation": settings.prior_activation,
    }


def asdae_loss(settings: UserEncoderSettings) -> LossWeights:
    """α of the reconstruction goes to the ratings, 1 - α to the side information."""
    alpha = settings.rating_loss_weight
    return LossWeights(
        latent=settings.latent_weight,
        predicted=settings.prediction_weight,
        ratings=settings.reconstruction_weight * alpha,
        features=settings.reconstruction_weight * (1 - alpha),
    )


def fit_numbers(settings: FitSettings, feed: FeedSettings, loss: LossWeights, *, first: bool) -> FitNumbers:
    """Numbers of the first fit, or of a later one.

    Args:
        settings: `[user_encoder.fit]` or `[item_encoder.fit]`.
        feed: `[feed]`.
        loss: weights of the loss terms; the item encoder has the latent one alone.
        first: whether the encoder starts from nothing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    beside_driver = feed.local or feed.processes == 0
    threads = max(1, cores // max(1, feed.processes)) if beside_driver else 1
    return FitNumbers(
        epochs=settings.first_epochs if first else settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        table_weight_decay=settings.table_weight_decay,
        feature_weight_decay=settings.feature_weight_decay,
        decoupled_decay=settings.decoupled_decay,
        loss=loss,
        threads=feed.threads or threads,
        exchange_every=feed.exchange_every,
    )
