"""Settings of the model: encoders, the feed that trains them, the factorization and the rounds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bgmrec.config.base import AtLeastOne, Count, NonNegative, Positive, Section, Share


class FitSettings(Section):
    """How an encoder is refitted to the running factors."""

    first_epochs: Count = 10
    epochs: Count = 3  # every later refit starts from the last round's weights
    batch_size: AtLeastOne = 128  # over all processes together; of each where feed.exchange_every is above 1
    learning_rate: Positive = 1e-3
    decoupled_decay: bool = True  # AdamW; false: the decays are L2 terms of the loss
    weight_decay: NonNegative = 1e-2
    table_weight_decay: NonNegative = 1e-2  # of input weights with a row per item or word
    feature_weight_decay: NonNegative = 1e-2  # of weights that features are multiplied with
    weight_exponent: Share = 0.0  # an entity with n ratings weighs n^this in the latent loss; a cold one nothing
    held_out_share: Share = 0.0  # of the entities, never fitted to: prior means are believed as far as they fit theirs


Group = Annotated[list[str], Field(min_length=1)]


class LinearSettings(Section):
    """`[user_encoder.linear]` / `[item_encoder.linear]`: prior means by ridge regression; groups as in `[bayes]`."""

    groups: list[Group] = []  # columns that share a ridge
    ridges: list[Positive] = []  # of each group, in rows
    weight_exponent: Share = 0.0  # a row of n ratings counts (n / mean of n)^this; a cold one nothing above 0

    @model_validator(mode="after")
    def _every_group_has_its_ridge(self) -> LinearSettings:
        if len(self.groups) != len(self.ridges):
            raise ValueError(f"{len(self.groups)} groups need as many ridges, and there are {len(self.ridges)}")
        return self


class UserEncoderSettings(Section):
    """`[user_encoder]`: the aSDAE, or a linear one."""

    kind: Literal["none", "asdae", "linear"] = "asdae"
    hidden: list[AtLeastOne] = [64]  # widths between the input and the prior layer, mirrored behind it
    activation: Literal["relu", "tanh", "sigmoid", "gelu", "linear"] = "tanh"
    prior_activation: Literal["linear", "tanh"] = "linear"
    use_ratings: bool = True
    center_ratings: bool = True  # less what mean and item explain of them; false: as they were given (explicit mode)
    use_presence: bool = True  # a second input table for which items were rated, whatever the rating
    rating_norm: Share = 0.7  # the input of n ratings is divided by n^this
    corruption_rate: Share = 0.4  # of the ratings
    feature_corruption_rate: Share = 0.1
    dropout_rate: Share = 0.5
    latent_weight: NonNegative = 0.2
    # ratings that corruption hid, predicted by prior mean and item factors (explicit mode): the running user factors
    # know all ratings of the input, so that the latent loss alone teaches to copy them
    prediction_weight: NonNegative = 0.02
    reconstruction_weight: NonNegative = 0.05  # of both reconstructions
    rating_loss_weight: Share = 0.04  # alpha: ratings against side information in the reconstruction
    fit: FitSettings = FitSettings(first_epochs=4, epochs=1, table_weight_decay=1.0)
    linear: LinearSettings = LinearSettings()


class ItemEncoderSettings(Section):
    """`[item_encoder]`: the TextCNN, or a linear one."""

    kind: Literal["none", "text_cnn", "linear"] = "text_cnn"
    embedding_size: AtLeastOne = 32
    filters: AtLeastOne = 16  # per width
    widths: list[AtLeastOne] = [3, 4, 5]
    hidden: AtLeastOne = 200
    feature_hidden: AtLeastOne = 64  # projection of the categorical and dense features before they join
    feature_skip: bool = False  # a linear path from the features to the prior mean beside the network
    feature_dropout_rate: Share = 0.1
    dropout_rate: Share = 0.3
    prior_activation: Literal["linear", "tanh"] = "linear"
    word_vectors: str | None = None  # text file "word v1 v2 …" that initialises the embedding
    fit: FitSettings = FitSettings(
        learning_rate=2e-3,
        decoupled_decay=False,
        weight_decay=1e-3,
        table_weight_decay=1e-3,
        feature_weight_decay=5e-3,
    )
    linear: LinearSettings = LinearSettings()


class FeedSettings(Section):
    """`[feed]`: how Parquet reaches Torch, and with how many processes."""

    processes: Count = 0  # 0: train in the driver, through the same feed and the same fit
    local: bool = True  # processes beside the driver; false: as tasks of the cluster (a barrier stage)
    exchange_every: AtLeastOne = 1  # steps; 1: gradients, the exact thing; more: processes average their weights
    threads: Count = 0  # of Torch per process; 0: the driver's cores shared out, or one in a task of the cluster
    row_group_rows: AtLeastOne = 4096
    results_queue_size: AtLeastOne = 4
    memory_bytes: Count = 2**30  # a process keeps its rows if they need less, and else reads them every epoch
    use_gpu: bool | Literal["auto"] = "auto"  # of encoders; auto: where every process has one


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
    cg_steps: Count = 0  # implicit: conjugate gradient steps per row and round; 0: each row is solved exactly
    weight_half_life_days: NonNegative = 0.0  # a rating weighs half as much after so many days; 0: for ever as much
    init_scale: Positive = 0.1
    block_rows: AtLeastOne = 2048  # rows of the solved side per block
    block_ratings: AtLeastOne = 500_000
    broadcast_bytes: Count = 256 * 2**20  # a factor table above this is routed, not broadcast


class TrendSettings(Section):
    """`[trend]`: how the present demand for an item raises the preferences for it (implicit mode; see trend.py)."""

    exponent: NonNegative = 0.0  # 0: no trend
    half_life_days: Positive = 1.0  # a rating counts half as much for the demand after so many days
    damping: Positive = 10.0  # ratings; draws the trend of items with few of them to 1


class BayesSettings(Section):
    """`[bayes]`: the sampler that goes on from the best round; explicit mode with bias.

    A group names fields of the side's features, or `svd:ratings` (of which entities have training ratings in
    common), `log:counts` (of the training ratings), `svd:text` (of the items' documents) or `prior:encoder`.
    """

    draws: Count = 0  # kept and averaged; 0: the model is the best round's (MAP)
    burn_in: Count = 30  # draws before the first one that is kept
    noise_strength: NonNegative = 0.0  # of the prior of each row's own noise, in ratings × 2; 0: one noise for all
    prior_scale: Positive = 0.1  # of the rows' covariance before any data
    user_prior_exponent: Share = 0.0  # the prior of a row of n ratings holds (n / mean of n)^this as strongly
    item_prior_exponent: Share = 0.0
    user_groups: list[Group] = []  # columns that share a ridge in the linear link; none: no link
    item_groups: list[Group] = []
    ridge_every: AtLeastOne = 4  # draws between two of the ridges: each costs columns³ / 3
    max_columns: AtLeastOne = 4096  # of a side's link: the driver holds their square
    ratings_rank: AtLeastOne = 50  # singular vectors of svd:ratings
    text_rank: AtLeastOne = 100  # and of svd:text
    svd_rounds: AtLeastOne = 5
    few_ratings: NonNegative = 0.0  # svd:ratings of n ratings is multiplied by n / (n + few_ratings)


class TrainSettings(Section):
    """`[train]`: rounds, early stopping, warm start."""

    rounds: AtLeastOne = 20
    patience: AtLeastOne = 3  # rounds without a new best before stopping
    metric: Literal["rmse", "ndcg"] = "rmse"
    metric_k: AtLeastOne = 10
    final_rounds: Count = 1  # on all ratings, validation ones too, for the model that is served
    warm_start: bool = True  # from last night's published model, where it fits
    warm_rounds: AtLeastOne = 1  # at most, where factors and encoders all go on from that model
    warm_runs: Count = 6  # in a row; then one begins anew, with a vocabulary and encoders of its own
    minimum_ratings: AtLeastOne = 10
