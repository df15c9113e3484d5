"""Settings of the model: encoders, the feed that trains them, the factorization, the rounds and the sampler."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bgmrec.config.base import (
    AtLeastOne,
    Bytes,
    Conflict,
    Count,
    Days,
    Epochs,
    NonNegative,
    Positive,
    Rank,
    Rows,
    Section,
    Share,
    Unit,
)

Group = Annotated[list[str], Field(min_length=1)]
Rounds = Annotated[AtLeastOne, Unit("rounds")]
Strength = Annotated[Positive, Unit("ratings")]


class FitSettings(Section):
    """How a network is fitted to the running factors, once per round."""

    first_epochs: Epochs = 10
    """Epochs of the first round, which starts from random weights."""

    epochs: Epochs = 3
    """Epochs of every later round, which starts from the last round's weights: factors move little between rounds."""

    batch_size: Rows = 128
    """Rows per step, over all training processes together; per process where `feed.exchange_every` is above 1. Lower it
    for small data, so that an epoch has some hundred steps."""

    learning_rate: Positive = 1e-3
    """Step size of Adam. Lower it if the loss rises or oscillates."""

    weight_decay: NonNegative = 1e-2
    """Regularisation of the weights. Raise it if prior means fit training entities and not held-out ones. Weights
    with a row per item or word, and weights on features, have fixed multiples of it (bgmrec/encoders/numbers.py)."""

    weight_exponent: Annotated[Share, Unit("exponent")] = 0.0
    """An entity with n training ratings counts n to this power in the loss. 0: all count the same. 1: popular entities
    dominate, as in the ratings themselves."""

    held_out_share: Share = 0.0
    """Share of the entities that the network is never fitted to. Above 0, prior means are scaled by how well they fit
    these entities, so that a network that only memorises is not trusted."""


class LinearSettings(Section):
    """The encoder `linear`: prior means by ridge regression of the factors on columns, solved in every round."""

    groups: list[Group] = []
    """Groups of columns, each with one ridge strength. A column is a field of the side's features, `svd:ratings` or
    `log:counts`; for items also `svd:text` (see `[bayes]`)."""

    ridges: list[Annotated[Positive, Unit("rows")]] = []
    """Ridge strength of each group, in the order of `groups`: r weighs as much as r entities whose columns are 0."""

    weight_exponent: Annotated[Share, Unit("exponent")] = 0.0
    """An entity with n training ratings counts (n / mean n) to this power; above 0 entities without ratings do not
    count."""

    @model_validator(mode="after")
    def _every_group_has_its_ridge(self) -> LinearSettings:
        if len(self.groups) != len(self.ridges):
            raise Conflict(
                "ridges",
                "groups",
                expected="one ridge strength for each group",
                found=f"{len(self.groups)} groups, {len(self.ridges)} ridges",
                hint="add or remove entries of ridges",
            )
        return self


class UserEncoderSettings(Section):
    """`[user_encoder]`: how side information and ratings of a user become the prior mean of the user's factors."""

    kind: Literal["none", "asdae", "linear"] = "asdae"
    """`none`: prior means are 0 (plain matrix factorization). `asdae`: the stacked denoising autoencoder of the paper.
    `linear`: a ridge regression (`[user_encoder.linear]`). The other keys of this section are those of `asdae`."""

    hidden: list[Annotated[AtLeastOne, Unit("units")]] = [64]
    """Widths of the layers between the input and the prior mean; the decoder mirrors them."""

    use_ratings: bool = True
    """The user's training ratings are an input. `false`: side information alone."""

    center_ratings: bool = True
    """Explicit mode: subtract from each input rating what mean and item bias explain. `false`: ratings as they are, as
    in the PHD paper; needs `prediction_weight = 0`."""

    use_presence: bool = True
    """A second input table for which items were rated, whatever the rating: the choice of items tells much about a
    user."""

    rating_norm: Annotated[Share, Unit("exponent")] = 0.7
    """The input sum over n rated items is divided by n to this power. 0: a plain sum (PHD). 1: a mean."""

    corruption_rate: Share = 0.4
    """Share of the input ratings that training sets to zero (masking noise; the value of the PHD paper)."""

    feature_corruption_rate: Share = 0.1
    """The same for the columns of the side information, of which there are far fewer."""

    dropout_rate: Share = 0.5
    """Share of the hidden values before the prior mean that training sets to zero."""

    latent_weight: Annotated[NonNegative, Unit("weight")] = 0.2
    """Weight of the distance between prior mean and running factors in the loss."""

    prediction_weight: Annotated[NonNegative, Unit("weight")] = 0.02
    """Explicit mode: weight of predicting the ratings that corruption hid, by prior mean and item factors. The running
    user factors know every rating of the input, so that the latent loss alone teaches the network to copy them."""

    reconstruction_weight: Annotated[NonNegative, Unit("weight")] = 0.05
    """Weight of reconstructing the input, ratings and side information together."""

    rating_loss_weight: Share = 0.04
    """Share of the ratings in the reconstruction (α of the paper); the rest is side information."""

    fit: FitSettings = FitSettings(first_epochs=4, epochs=1)
    linear: LinearSettings = LinearSettings()


class ItemEncoderSettings(Section):
    """`[item_encoder]`: how text and features of an item become the prior mean of the item's factors."""

    kind: Literal["none", "text_cnn", "linear"] = "text_cnn"
    """`none`: prior means are 0. `text_cnn`: the convolutional network of the paper. `linear`: a ridge regression
    (`[item_encoder.linear]`). The other keys of this section are those of `text_cnn`."""

    embedding_size: Annotated[AtLeastOne, Unit("units")] = 32
    """Width of the word embedding. The paper has 200; the default is sized for training on CPUs."""

    filters: Annotated[AtLeastOne, Unit("filters")] = 16
    """Convolution filters of each width. The paper has 100; the default is sized for training on CPUs."""

    widths: list[Annotated[AtLeastOne, Unit("words")]] = [3, 4, 5]
    """Widths of the convolutions. Empty: no text."""

    hidden: Annotated[AtLeastOne, Unit("units")] = 200
    """Width of the layer that text and features share."""

    feature_hidden: Annotated[AtLeastOne, Unit("units")] = 64
    """Width of the projection of the features, before they join the text."""

    feature_skip: bool = False
    """Add a linear path from the features to the prior mean beside the network. Useful where a few features, such as
    genre and mood, explain most."""

    feature_dropout_rate: Share = 0.1
    """Share of the feature columns that training sets to zero."""

    dropout_rate: Share = 0.3
    """Share of the values before the shared layer that training sets to zero."""

    word_vectors: str | None = None
    """Text file of word vectors, `word v1 v2 …` per line with `embedding_size` numbers, from which the embedding
    starts. Not set: a random start. Useful with little text."""

    fit: FitSettings = FitSettings(learning_rate=2e-3, weight_decay=1e-3)
    linear: LinearSettings = LinearSettings()


class FeedSettings(Section):
    """`[feed]`: with how many processes the networks are trained, and how their rows reach them."""

    processes: Annotated[Count, Unit("processes")] = 0
    """0: networks are trained in the driver. N: in N processes by Spark's TorchDistributor; worth it only where an
    epoch takes minutes, as each start costs 6 to 20 seconds."""

    local: bool = True
    """The N processes run on the driver's machine. `false`: as tasks of the cluster, all at once (a barrier stage)."""

    exchange_every: Annotated[AtLeastOne, Unit("steps")] = 1
    """1: processes exchange gradients in every step, which equals training in one process. More: processes average
    their weights after so many steps, which saves traffic and is approximate."""

    threads: Annotated[Count, Unit("threads")] = 0
    """Torch threads of each process. 0: the cores of the driver's machine, shared out; 1 in a task of the cluster. Set
    1 on a machine with other load, where two threads can be slower than one."""

    memory_bytes: Bytes = 2**30
    """A process whose rows need less memory keeps them; otherwise it reads them from disk in every epoch."""

    use_gpu: bool | Literal["auto"] = "auto"
    """Train networks on GPUs. `"auto"`: if every process has one. `true`: stop if one has none."""


class FactorizeSettings(Section):
    """`[factorize]`: the probabilistic matrix factorization."""

    mode: Literal["explicit", "implicit"] = "explicit"
    """`explicit`: predict ratings. `implicit`: rank items by preference, from plays, likes or uses; pairs that were
    not observed count as weak dislikes. Choose `implicit` for recommendation lists, `explicit` where rating values
    matter."""

    rank: Rank = 32
    """Number of latent factors. More describe finer taste and need more data; the time of a round grows with rank² to
    rank³."""

    bias: bool = True
    """Add a bias per user and item, solved as one more coordinate. For explicit ratings; the settings
    for implicit mode in conf/ do without."""

    center: bool = True
    """Explicit mode: subtract the mean of the training ratings."""

    user_reg: Strength = 10.0
    """Regularisation (λ_u): how strongly a user's factors are pulled towards their prior mean, in ratings' weight.
    Raise it if validation gets worse while the training error falls."""

    item_reg: Strength = 10.0
    """Regularisation (λ_v): the same for items."""

    user_bias_reg: Strength = 5.0
    """Regularisation of the users' biases."""

    item_bias_reg: Strength = 5.0
    """Regularisation of the items' biases."""

    reg_exponent: Annotated[Share, Unit("exponent")] = 0.0
    """Regularisation grows with the number of ratings to this power. 0: PMF. 1: ALS-WR, as Spark's ALS. Implicit mode
    does well with 0.5."""

    unobserved_weight: Annotated[NonNegative, Unit("weight")] = 0.0
    """Implicit mode: weight of every pair that was not observed (α₀), against 1 of an observed one. Above 0, or the
    model learns no dislikes; 0.01 to 0.1 are usual, less for larger catalogues."""

    cg_steps: Annotated[Count, Unit("steps")] = 0
    """Implicit mode: conjugate gradient steps per row and round instead of an exact solution. 0: exact. Saves
    time where the rank is large and items have few ratings; needs `unobserved_weight` above 0."""

    weight_half_life_days: Days = 0.0
    """A rating counts half as much after so many days. 0: age does not matter."""

    init_scale: Positive = 0.1
    """Standard deviation of the random first factors. About 0.1 / √rank in implicit mode."""

    block_rows: Rows = 2048
    """Users or items per block of the solved side: a block is one task's work. Lower it if there are fewer blocks than
    cores."""

    block_ratings: Annotated[AtLeastOne, Unit("ratings")] = 500_000
    """Ratings per block, at most: bounds the memory of a task."""

    broadcast_bytes: Bytes = 256 * 2**20
    """Largest factor table that is sent whole to every executor; larger ones are shuffled to the blocks that need their
    rows (training) or streamed in shards (lists). The table passes through the driver: 256 MiB need
    `spark.driver.memory` of 4 GB."""


class TrendSettings(Section):
    """`[trend]`: implicit mode: preferences are multiplied by (recent demand / expected demand) ^ exponent."""

    exponent: Annotated[NonNegative, Unit("exponent")] = 0.0
    """Strength of the effect; 0: no trend. Above 0 for catalogues in which fashion changes within days."""

    half_life_days: Annotated[Positive, Unit("days")] = 1.0
    """A rating counts half as much for the recent demand after so many days."""

    damping: Strength = 10.0
    """Pulls the trend of items with few ratings towards 1 (no trend)."""


class BayesSettings(Section):
    """`[bayes]`: Gibbs sampling after the MAP rounds; explicit mode with biases. The most accurate model for
    ratings.

    Predictions are averaged over the kept draws. With groups, prior means are linear in their columns, and the
    coefficients are sampled, too. Columns of a group: fields of the side's features; `svd:ratings` (singular vectors
    of which pairs have training ratings); `log:counts` (logarithm of the number of training ratings);
    `prior:encoder` (the encoder's prior means); for items also `svd:text` (singular vectors of the documents).
    """

    draws: Annotated[Count, Unit("draws")] = 0
    """Draws that are kept and averaged into one wide factor table (rank × draws columns). 0: no sampling; the model
    is the best MAP round. conf/ml-1m/bayes.toml has 150."""

    burn_in: Annotated[Count, Unit("draws")] = 30
    """Draws before the first one that is kept."""

    noise_strength: Annotated[NonNegative, Unit("half ratings")] = 0.0
    """Above 0, every user and item has a noise level of its own, pulled to the common one this strongly. 0: one noise
    level for all."""

    user_prior_exponent: Annotated[Share, Unit("exponent")] = 0.0
    """The prior of a user with n ratings is (n / mean n) to this power as strong. 1: the linear prior means are
    fitted to ratings instead of entities, which helps entities without ratings."""

    item_prior_exponent: Annotated[Share, Unit("exponent")] = 0.0
    """The same for items."""

    user_groups: list[Group] = []
    """Columns of the users' linear prior means; each inner list shares a ridge strength, which is sampled. Empty: prior
    means are 0."""

    item_groups: list[Group] = []
    """The same for items."""

    max_columns: Annotated[AtLeastOne, Unit("columns")] = 4096
    """Stop if a side's groups have more columns than this: the driver holds a matrix of their square (128 MiB) and
    factorises it."""

    ratings_rank: Annotated[AtLeastOne, Unit("columns")] = 50
    """Columns of `svd:ratings`."""

    text_rank: Annotated[AtLeastOne, Unit("columns")] = 100
    """Columns of `svd:text`."""

    few_ratings: Annotated[NonNegative, Unit("ratings")] = 0.0
    """`svd:ratings` of an entity with n ratings is multiplied by n / (n + this), so that few ratings say less."""


class TrainSettings(Section):
    """`[train]`: rounds, early stopping, warm start. A round solves users, then items, then refits the encoders."""

    rounds: Rounds = 20
    """Rounds, at most."""

    patience: Rounds = 3
    """Stop after so many rounds without a new best validation value; the best round is used."""

    metric: Literal["rmse", "ndcg"] | None = None
    """Validation metric that chooses the best round. Not set: `rmse` in explicit mode, `ndcg` in implicit mode, whose
    scores are no ratings."""

    metric_k: Annotated[AtLeastOne, Unit("positions")] = 10
    """Cut-off of `ndcg`: positions of the list that count."""

    final_rounds: Annotated[Count, Unit("rounds")] = 1
    """Half steps of both sides on all ratings, held-out ones included, before the model is published: the newest
    ratings are the most valuable. 0 in studies, which publish nothing."""

    warm_start: bool = True
    """Start from the model published for the newest earlier date, where its settings and features are the same.
    `false`: full training in every run."""

    warm_rounds: Rounds = 1
    """Rounds of a warm run, at most, where factors and encoders are both taken over."""

    warm_runs: Annotated[Count, Unit("runs")] = 6
    """Warm runs in a row; then one run does full training, with a new vocabulary and new encoders. 6: once a week."""
