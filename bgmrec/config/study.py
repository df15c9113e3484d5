"""`[study]`: how jobs/study.py's own protocols cut any data set into what trains and what is judged."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bgmrec.config.base import AtLeastOne, Count, Name, NonNegative, Positive, Section, Share


class PaperSettings(Section):
    """`[study.paper]`: the programme of jobs/study.py paper."""

    models: list[Literal["pmf", "biased", "asdae", "cnn", "both", "bayes"]] = Field(
        ["pmf", "biased", "asdae", "cnn", "both", "bayes"], min_length=1
    )
    fractions: list[Share] = Field([0.2, 0.4, 0.6, 0.8], min_length=1)  # accuracy against training fraction
    fraction: Share = 0.8  # where dimension and regularisation vary
    ranks: list[AtLeastOne] = [8, 16, 32, 64]
    regularisations: list[Positive] = [0.1, 0.3, 1.0, 3.0, 10.0]  # times user_reg and item_reg
    side_information: list[Literal["permuted", "none"]] = ["permuted", "none"]  # both, learnt with that instead
    burn_in: Count = 20  # of the sampler
    draws: AtLeastOne = 20


class StudySettings(Section):
    """`[study]`; a held-out rating is a hit from `evaluate.relevant_rating` on."""

    fractions: list[Share] = [0.8]  # random: of the ratings that train; --fractions wins
    valid_share: Share = 0.5  # random: of the ratings that do not train; 0: all of them are test
    valid_days: AtLeastOne = 3  # days: before the test days
    test_days: AtLeastOne = 4  # days: up to --ds
    cold_item_share: Share = 0.1  # cold: of the items whose ratings all leave training
    cold_user_share: Share = 0.1
    liked_rating: float | None = None  # implicit mode: training ratings from here on become 1, others 0; none: as are
    disliked_weight: NonNegative = 0.0  # of those others: 0 takes them for pairs that were not observed
    genre_field: Name | None = None  # cold: item feature whose popularity is a baseline of its own
    neighbours: AtLeastOne = 50  # cold: warm items that the content baseline judges a cold one by
    paper: PaperSettings = PaperSettings()
