"""Settings of what is written for readers: lists, checks, evaluation, publishing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bgmrec.config.base import AtLeastOne, Count, Name, NonNegative, Section, Share
from bgmrec.config.sources import Files


class ItemList(Files):
    """A table of item ids in a column `item_id`."""


class RecommendSettings(Section):
    """`[recommend]`: list length and filters."""

    n: AtLeastOne = 20
    filter_seen: bool = True
    seen_rating: float | None = None  # only ratings at least this high hide an item; none: every rating does
    allow: ItemList | None = None  # only these items
    deny: ItemList | None = None  # never these items
    max_per_field: Name | None = None  # an item field, the artist for example …
    max_per_value: AtLeastOne = 2  # … and how many items of one value a list may hold
    similar_n: AtLeastOne = 20
    reasons: AtLeastOne = 3  # ratings named per place in recommendation_reasons
    popularity_days: NonNegative = 0.0  # 0: popularity over all training ratings
    item_block_bytes: AtLeastOne = 256 * 2**20  # item factors above this are streamed in pieces, not broadcast


class EvaluateSettings(Section):
    """`[evaluate]`: cut-offs, slices and baselines."""

    ks: list[AtLeastOne] = Field([10, 20], min_length=1)
    baselines: list[Literal["popularity", "bias", "als"]] = ["popularity", "bias", "als"]
    relevant_rating: float = 0.0  # a held-out rating at least this high is a hit
    clip: tuple[float, float] | None = None  # predicted ratings are clipped to this range
    popularity_slices: AtLeastOne = 5
    als_rank: AtLeastOne = 20
    als_reg: NonNegative = 0.1
    als_iterations: AtLeastOne = 10
    als_alpha: NonNegative = 1.0  # implicit mode: MLlib's confidence is 1 + alpha · weight · preference


class PublishSettings(Section):
    """`[publish]`: where readers find the tables, and the checks before the switch."""

    database: Name = "bgmrec"
    catalog: Literal["hive", "session", "none"] = "hive"  # session: whatever the Spark session is configured with
    tables: list[Literal["recommendations", "similar_items", "recommendation_reasons"]] = [
        "recommendations",
        "similar_items",
    ]
    min_user_coverage: Share = 0.95
    min_rows: Count = 1


class ReportSettings(Section):
    """`[report]`: the page of a night; its samples bound what it reads on the driver."""

    enabled: bool = False  # nightly makes it after publishing; jobs/report.py whenever it is called
    title_field: Name | None = None  # item field that is an item's name …
    label_fields: list[Name] = []  # … those that stand beside it, the first of them its artist or author …
    group_field: Name | None = None  # … and the one that colours the map of items
    users: AtLeastOne = 60  # whose lists are shown, and taken apart
    items: AtLeastOne = 30  # whose similar tracks are shown
    judged_users: AtLeastOne = 5000  # with held-out ratings, whom intervals are made of
    listed_users: AtLeastOne = 500  # of those, whose lists diversity and concentration are measured on
    map_items: AtLeastOne = Field(1500, ge=2)
    draws: AtLeastOne = 1000  # of the bootstrap
    nights: AtLeastOne = 30  # in the course over time
