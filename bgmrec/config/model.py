"""Settings of the model: encoders, the feed that trains them, the factorization and the rounds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bgmrec.config.base import AtLeastOne, Count, NonNegative, Positive, Section, Share


class FitSettings(Section):
    """How an encoder is refitted to the running factors."""

    first_epochs: Count = 10
    epochs: Count = 3  # every later refit starts from the last round's weights
    batch_size: AtLeastOne = 256  # over all processes together
    learning_rate: Positive = 1e-3
    weight_decay: NonNegative = 1e-4


class UserEncoderSettings(Section):
    """`[user_encoder]`: the aSDAE."""

    kind: Literal["none", "asdae"] = "asdae"
    hidden: list[AtLeastOne] = [200]  # widths between the input and the prior layer, mirrored behind it
    activation: Literal["relu", "tanh", "sigmoid", "gelu"] = "tanh"
    prior_activation: Literal["linear", "tanh"] = "linear"
    use_ratings: bool = True
    corruption_rate: Share = 0.4
    dropout_rate: Share = 0.0
    rating_loss_weight: Share = 0.8  # alpha: ratings against side information in the reconstruction
    reconstruction_weight: NonNegative = 1.0  # of both reconstructions against the latent loss
    fit: FitSettings = FitSettings()


class ItemEncoderSettings(Section):
    """`[item_encoder]`: the TextCNN."""

    kind: Literal["none", "text_cnn"] = "text_cnn"
    embedding_size: AtLeastOne = 200
    filters: AtLeastOne = 100  # per width
    widths: list[AtLeastOne] = [3, 4, 5]
    hidden: AtLeastOne = 200
    feature_hidden: AtLeastOne = 64  # projection of the categorical and dense features before they join
    dropout_rate: Share = 0.2
    prior_activation: Literal["linear", "tanh"] = "linear"
    word_vectors: str | None = None  # text file "word v1 v2 …" that initialises the embedding
    fit: FitSettings = FitSettings()


class FeedSettings(Section):
    """`[feed]`: how Parquet reaches Torch, and with how many processes."""

    processes: Count = 0  # 0: train in the driver, through the same feed and the same fit
    local: bool = True  # processes beside the driver; false: as tasks of the cluster (a barrier stage)
    row_group_rows: AtLeastOne = 4096
    results_queue_size: AtLeastOne = 4
    use_gpu: bool = False


class FactorizeSettings(Section):
    """`[factorize]`: the probabilistic matrix factorization."""

    mode: Literal["explicit", "implicit"] = "explicit"
    rank: AtLeastOne = Field(32, le=512)
    bias: bool = True
    center: bool = True  # subtract the weighted mean of the training ratings (explicit only)
    user_reg: Positive = 10.0
    item_reg: Positive = 10.0
    user_bias_reg: Positive = 5.0
    item_bias_reg: Positive = 5.0
    reg_exponent: float = Field(0.0, ge=0.0, le=1.0)  # 0: PMF, 1: ALS-WR
    unobserved_weight: NonNegative = 0.0  # implicit: weight of every unobserved pair
    init_scale: Positive = 0.1
    block_rows: AtLeastOne = 2048  # rows of the solved side per block
    block_ratings: AtLeastOne = 500_000
    broadcast_bytes: Count = 256 * 2**20  # a factor table above this is routed, not broadcast


class TrainSettings(Section):
    """`[train]`: rounds, early stopping, warm start."""

    rounds: AtLeastOne = 20
    patience: AtLeastOne = 3  # rounds without a new best before stopping
    metric: Literal["rmse", "ndcg"] = "rmse"
    metric_k: AtLeastOne = 10
    warm_start: bool = True  # from last night's published model, where it fits
    minimum_ratings: AtLeastOne = 10
