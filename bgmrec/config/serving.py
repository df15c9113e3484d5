"""Settings of what is written for readers: lists, checks, evaluation, publishing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from bgmrec.config.base import (
    AtLeastOne,
    AtLeastOneOrOff,
    CountOrOff,
    Mode,
    Name,
    NonNegative,
    NonNegativeOrOff,
    Section,
    ShareOrOff,
)
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
    baselines: list[Literal["popularity", "bias", "als"]] = ["popularity", "bias"]
    relevant_rating: float = 0.0  # a held-out rating at least this high is a hit
    clip: tuple[float, float] | None = None  # predicted ratings are clipped to this range
    slices: AtLeastOne = 10
    als_rank: AtLeastOne = 20
    als_reg: NonNegative = 0.1
    als_iterations: AtLeastOne = 10
    als_alpha: NonNegative = 1.0  # implicit mode: MLlib's confidence is 1 + alpha · weight · preference


class GateSettings(Section):
    """`[publish.gate]`: thresholds of the checks before the switch; "off" takes a check away."""

    min_rows: CountOrOff = 1
    max_shrink_share: ShareOrOff = 0.3
    max_ratings_lost_share: ShareOrOff = 0.3
    max_null_keys: CountOrOff = 0
    max_duplicate_keys: CountOrOff = 0
    max_list_faults: CountOrOff = 0
    max_bad_scores: CountOrOff = 0
    max_out_of_range_share: ShareOrOff = 0.01
    score_margin: NonNegative = 0.5
    min_user_coverage: ShareOrOff = 0.95
    min_catalogue_coverage: ShareOrOff = 0.02
    metric: str | None = None  # as in the summary, ndcg@10 for example; none: rmse, or ndcg at the first of evaluate.ks
    max_metric_loss: NonNegativeOrOff = 0.25
    baseline: Literal["popularity", "bias", "als"] | None = None  # none: the first of evaluate.baselines that it judges
    min_metric_gain: NonNegativeOrOff = 0.0


class PublishSettings(Section):
    """`[publish]`: where readers find the tables."""

    database: Name = "bgmrec"
    catalog: Literal["hive", "session", "none"] = "hive"  # session: whatever the Spark session is configured with
    tables: list[Literal["recommendations", "similar_items", "recommendation_reasons"]] = [
        "recommendations",
        "similar_items",
    ]
    mode: Mode | None = None  # of published files and manifests; none: as the file system gives it
    gate: GateSettings = GateSettings()


class RetentionSettings(Section):
    """`[retention]`: what jobs/retain.py leaves, in logical dates back from its --ds; "off" keeps for ever."""

    published_days: AtLeastOneOrOff = 90
    unseen_days: AtLeastOneOrOff = 7  # versions and models that no manifest names: superseded, withdrawn or refused
    work_days: AtLeastOneOrOff = 3
    mapped_days: AtLeastOneOrOff = 61  # rows of files; those whose files were all mapped anew go by unseen_days
    summary_days: AtLeastOneOrOff = 365


class ReportSettings(Section):
    """`[report]`: the page of a night; its samples bound what it reads on the driver."""

    enabled: bool = False  # nightly makes it after publishing; jobs/report.py whenever it is called
    title_field: Name | None = None  # item field that is an item's name …
    label_fields: list[Name] = []  # … those that stand beside it, the first of them its artist or author …
    group_field: Name | None = None  # … and the one that colours the map of items
    user_slices: list[Name] = []  # fields by whose values users are told apart in the metrics …
    item_slices: list[Name] = []  # … and items
    side_information: Path | None = None  # results of jobs/study.py --side-information real,permuted,none --json FILE
    users: AtLeastOne = 60  # whose lists are shown, and taken apart
    items: AtLeastOne = 30  # whose similar tracks are shown
    evaluated_users: AtLeastOne = 5000  # with held-out ratings, whom intervals are made of
    listed_users: AtLeastOne = 500  # of those, whose lists diversity and concentration are measured on
    map_items: AtLeastOne = Field(1500, ge=2)
    draws: AtLeastOne = 1000  # of the bootstrap
    runs: AtLeastOne = 30  # in the course over time
