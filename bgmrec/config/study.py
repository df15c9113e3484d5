"""`[study]`: how the protocols of jobs/study.py divide any data set into training and test ratings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bgmrec.config.base import AtLeastOne, Count, Name, NonNegative, Positive, Rank, Section, Share, Unit, WholeDays


class PaperSettings(Section):
    """`[study.paper]`: the programme of `jobs/study.py paper`."""

    models: list[Literal["pmf", "biased", "asdae", "cnn", "both", "bayes"]] = Field(
        ["pmf", "biased", "asdae", "cnn", "both", "bayes"], min_length=1
    )
    """Models to compare: matrix factorization without and with biases, with the user encoder, the item encoder or both,
    and the Bayesian sampler."""

    fractions: list[Share] = Field([0.2, 0.4, 0.6, 0.8], min_length=1)
    """Shares of the ratings that train, for accuracy against the amount of data."""

    fraction: Share = 0.8
    """Share of the ratings that train where rank and regularisation vary."""

    ranks: list[Rank] = [8, 16, 32, 64]
    """Values of `factorize.rank` to compare."""

    regularisations: list[Annotated[Positive, Unit("factor")]] = [0.1, 0.3, 1.0, 3.0, 10.0]
    """Factors of `factorize.user_reg` and `factorize.item_reg` to compare."""

    side_information: list[Literal["permuted", "none"]] = ["permuted", "none"]
    """Repeat the full model with side information of other rows (`permuted`) or without any (`none`)."""

    burn_in: Annotated[Count, Unit("draws")] = 20
    """`bayes.burn_in` of the model `bayes`."""

    draws: Annotated[AtLeastOne, Unit("draws")] = 20
    """`bayes.draws` of the model `bayes`."""


class StudySettings(Section):
    """`[study]`: the protocols `random`, `given`, `days` and `cold`. A hit is a test rating of at least
    `evaluate.relevant_rating`.
    """

    fractions: list[Share] = [0.8]
    """`random`: shares of the ratings that train, as in most papers. `--fractions` wins."""

    valid_share: Share = 0.5
    """`random`: share of the other ratings that validate; the rest is the test part. 0: all of them are."""

    part: str | None = None
    """`given`: Spark SQL over the columns user_id, item_id, rating, weight and rated_at of a rating. It gives `train`,
    `valid`, `test`, or null, which leaves the rating out. Lists of the test part are made after training on `valid`,
    too."""

    valid_days: WholeDays = 3
    """`days`: days before the test days. Settings are chosen on them; they train when the test days are evaluated."""

    test_days: WholeDays = 4
    """`days`: the last days up to `--ds`."""

    cold_item_share: Share = 0.1
    """`cold`: share of the items whose ratings are all removed from training."""

    cold_user_share: Share = 0.1
    """`cold`: the same for users."""

    liked_rating: Annotated[float, Unit("rating")] | None = None
    """Implicit mode: training ratings of at least this value become preference 1, the others 0. Not set: ratings are
    preferences as they are."""

    disliked_weight: Annotated[NonNegative, Unit("weight")] = 0.0
    """Implicit mode: weight of the others of `liked_rating`. 0: they count as not observed."""

    genre_field: Name | None = None
    """`cold`: item field with a feature, for a baseline that ranks cold items by the popularity of their genre. Not
    set: no such baseline."""

    paper: PaperSettings = PaperSettings()
