"""Settings of what is written for readers: lists, evaluation, the gate, publishing, retention and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bgmrec.config.base import (
    AtLeastOne,
    CountOrOff,
    Days,
    Items,
    Mode,
    Name,
    NonNegative,
    NonNegativeOrOff,
    Positive,
    Section,
    ShareOrOff,
    Unit,
    Users,
    WholeDaysOrOff,
)
from bgmrec.config.export import Options
from bgmrec.config.sources import Files

Rating = Annotated[float, Unit("rating")]
Baseline = Literal["popularity", "bias", "als", "item_knn", "ease"]


class ItemList(Files):
    """A table of external item ids in a column `item_id`."""


class RecommendSettings(Section):
    """`[recommend]`: length of the lists, and which items they may hold."""

    n: Items = 20
    """Items per user in the table `recommendations`, at most."""

    filter_seen: bool = True
    """Leave out items that the user has rated. `false` where people like to hear music again."""

    seen_rating: Rating | None = None
    """Only ratings of at least this value make an item seen. Not set: every rating does."""

    allow: ItemList | None = None
    """Only these items are candidates, for example the licensed catalogue."""

    deny: ItemList | None = None
    """These items are never candidates."""

    max_per_field: Name | None = None
    """Item field of which a list holds at most `max_per_value` items with the same value, for example the artist. Not
    set: no such limit."""

    max_per_value: Items = 2
    """See `max_per_field`."""

    similar_n: Items = 20
    """Items per item in the table `similar_items`."""

    reasons: Annotated[AtLeastOne, Unit("ratings")] = 3
    """Ratings of the user that `recommendation_reasons` names for each position of a list."""

    popularity_days: Days = 0.0
    """Popularity, for users without ratings and side information, counts the ratings of the last days only. 0: all
    training ratings."""


class EvaluateSettings(Section):
    """`[evaluate]`: how the model and its baselines are measured on held-out ratings."""

    ks: list[Annotated[AtLeastOne, Unit("positions")]] = Field([10, 20], min_length=1)
    """Cut-offs of the ranking metrics. The first one is the gate's in implicit mode."""

    baselines: list[Baseline] = ["popularity", "bias"]
    """Simple models that are measured beside the model. `popularity`: the same list for all. `bias`: mean and
    biases, for ratings. `als`: Spark's ALS, whose fit can take longer than the model's own rounds. `item_knn`: the
    items that most resemble a user's items by their users. `ease`: linear weights between items. The last two are
    for lists only; they are fitted on the driver, on the 20,000 most popular items with 3 likes or more, and at most
    20 million likes."""

    relevant_rating: Rating = 0.0
    """A held-out rating of at least this value is a hit for the ranking metrics, for example 4 on a scale to 5."""

    clip: Annotated[tuple[float, float], Unit("rating")] | None = None
    """[lowest, highest] rating of the scale; predictions are clipped to it. Not set: no clipping."""

    als_rank: AtLeastOne = 20
    """Latent factors of the baseline `als`."""

    als_reg: NonNegative = 0.1
    """Regularisation of the baseline `als`; tune it for a fair comparison."""

    item_knn_neighbours: Items = 200
    """Most similar items per item of the baseline `item_knn`."""

    ease_reg: Positive = 200.0
    """Regularisation (λ) of the baseline `ease`; usual values are 50 to 1,000."""


class GateSettings(Section):
    """`[publish.gate]`: checks before the published tables are replaced. `"off"` disables a check.

    A failed check ends the run with exit status 4, and readers keep the previous tables; `--force-publish "why"`
    publishes once nevertheless. Further checks have no setting: a table to publish never has null keys, duplicate
    keys, impossible scores, or lists with gaps, wrong order, repeats or seen items.
    """

    min_rows: CountOrOff = 1
    """Rows of each table, at least. The default refuses empty tables."""

    max_shrink_share: ShareOrOff = 0.3
    """Share of each table's rows that may be lost against the previous date. More is usually lost input."""

    max_ratings_lost_share: ShareOrOff = 0.3
    """Share of the training ratings that may be lost against the previous date. Row counts do not show it: users
    without ratings still get a list of popular items."""

    max_out_of_range_share: ShareOrOff = 0.01
    """Explicit mode with `evaluate.clip`: share of the predictions that may leave the scale by more than half of its
    width. More means that the model has diverged."""

    min_user_coverage: ShareOrOff = 0.95
    """Share of the known users that have a list, at least."""

    min_catalogue_coverage: ShareOrOff = 0.02
    """Share of the candidates that appear in some list, at least. A model that ignores its users gives everybody the
    same n items."""

    metric: str | None = None
    """Metric of the next two checks, as the summary names it, for example `ndcg@10`. Not set: `rmse` in explicit mode,
    else `ndcg` at the first of `evaluate.ks`."""

    max_metric_loss: NonNegativeOrOff = 0.25
    """Share of the metric that may be lost against the previous date. Days differ by some percent; broken models by
    far more."""

    baseline: Baseline | None = None
    """Baseline that the model must beat. Not set: the first of `evaluate.baselines` that has the metric (`popularity`
    predicts no ratings)."""

    min_metric_gain: NonNegativeOrOff = 0.0
    """Share by which the model must beat the baseline, at least. 0: be as good."""

    input_changes: Literal["off", "warn", "refuse"] = "warn"
    """Input that differs from the runs before by more than the bounds of `[profile]`. `warn`: the log and the summary
    name what changed. `refuse`: the ingest ends the run before a model learns it; later runs are not compared with
    it. `off`: not checked."""


class DeltaSettings(Section):
    """`[publish.delta]`: for `publish.format = "delta"`."""

    storage_options: Options = {}
    """Options of delta-rs for the file system of `paths.root`, for example `AWS_ENDPOINT_URL = "https://store:9000"`.
    `${NAME}` is taken from the environment; a secret in plain text is refused. A local disk needs none."""


class IcebergSettings(Section):
    """`[publish.iceberg]`: for `publish.format = "iceberg"`."""

    catalog: Options = {}
    """Properties of pyiceberg's catalogue: `type` (`sql`, `rest` or `hive`), `uri`, and what else the catalogue and the
    file system of `paths.root` need, for example `type = "sql"` and
    `uri = "postgresql+psycopg://bgmrec:${PGPASSWORD}@db/lake"`. `${NAME}` is taken from the environment; a secret in
    plain text is refused. Needed for Iceberg."""


class PublishSettings(Section):
    """`[publish]`: where readers find the tables."""

    format: Literal["parquet", "delta", "iceberg"] = "parquet"
    """`parquet`: folders of plain files, which a manifest names. `delta`, `iceberg`: each table is also a Delta table
    (`pip install '.[delta]'`) or an Iceberg table (`pip install '.[iceberg]'`); both need `catalog = "none"`."""

    database: Name = "bgmrec"
    """Database of the tables in the catalogue; with `format = "iceberg"`, their namespace."""

    catalog: Literal["hive", "session", "none"] = "hive"
    """`hive`: a Hive metastore, an embedded one below `paths.root` unless `[spark.conf]` names a server. `session`: the
    catalogue that the Spark session is configured with. `none`: files only."""

    tables: list[Literal["recommendations", "similar_items", "recommendation_reasons"]] = [
        "recommendations",
        "similar_items",
    ]
    """Tables to publish. `recommendation_reasons` needs `bayes.draws = 0`."""

    mode: Mode | None = None
    """Permissions of published files and manifests, three octal digits, for example `"640"`. Not set: those of the file
    system."""

    gate: GateSettings = GateSettings()
    delta: DeltaSettings = DeltaSettings()
    iceberg: IcebergSettings = IcebergSettings()


class RetentionSettings(Section):
    """`[retention]`: what jobs/retain.py keeps, in days before its `--ds`; `"off"` keeps everything."""

    published_days: WholeDaysOrOff = 90
    """Published dates, and the version that each of them replaced. The newest date is always kept."""

    unreferenced_days: WholeDaysOrOff = 7
    """Versions and models that no reader sees: replaced, unpublished, or refused by the gate; also mapped rows of files
    that were all mapped again."""

    work_days: WholeDaysOrOff = 3
    """Working tables of finished runs, for inspection and for repeating a stage."""

    row_cache_days: WholeDaysOrOff = 61
    """Mapped rows of logs and crawls, since they were mapped. Longer than any `lookback_days`, or they are mapped
    again."""

    summary_days: WholeDaysOrOff = 365
    """Summaries, reports and input profiles of runs."""


class ReportSettings(Section):
    """`[report]`: one HTML page per run. Without `title_field` it shows item ids instead of titles."""

    enabled: bool = False
    """The nightly job makes the page after publishing. jobs/report.py makes it in any case."""

    title_field: Name | None = None
    """Item field with the item's title. Not set: items are shown by their id."""

    label_fields: list[Name] = []
    """Item fields that are shown beside the title; the first one is the artist or author."""

    group_field: Name | None = None
    """Item field that colours the map of items, for example the genre. Not set: no colours."""

    user_slices: list[Name] = []
    """User fields by whose values the metrics are broken down, besides cold and warm users and activity."""

    item_slices: list[Name] = []
    """Item fields by whose values the metrics are broken down, besides cold and warm items and popularity."""

    side_information: Path | None = None
    """Results of `jobs/study.py … --side-information real,permuted,none --json FILE`, for the section on what side
    information brings. Not set: no such section."""

    users: Users = 60
    """Sample users whose lists are shown, with what each score is made of."""

    items: Items = 30
    """Sample items whose similar items are shown."""

    runs: Annotated[AtLeastOne, Unit("runs")] = 30
    """Runs in the charts over time, the newest ones."""

    later_days: WholeDaysOrOff = 7
    """Also evaluate the lists of the oldest run published in the last so many days, on the ratings since: no choice has
    used those. Needs that run's working tables (`retention.work_days`). `"off"`: no such section."""
