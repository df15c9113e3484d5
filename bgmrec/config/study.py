"""`[study]`: how jobs/study.py's own protocols cut any data set into what trains and what is judged."""

from __future__ import annotations

from bgmrec.config.base import AtLeastOne, Name, NonNegative, Section, Share


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
