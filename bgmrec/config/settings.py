"""All settings of a run, one section per part."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from bgmrec.config.base import Section
from bgmrec.config.combinations import check_combinations
from bgmrec.config.crawl import CrawlSettings, FrontierSettings
from bgmrec.config.export import ExportSettings, MlflowSettings, MonitorSettings
from bgmrec.config.features import EntityFeatures
from bgmrec.config.model import (
    BayesSettings,
    FactorizeSettings,
    FeedSettings,
    ItemEncoderSettings,
    TrainSettings,
    TrendSettings,
    UserEncoderSettings,
)
from bgmrec.config.profile import IdSettings, ProfileSettings
from bgmrec.config.references import check_references
from bgmrec.config.runtime import PathSettings, RuntimeSettings, SparkSettings, WorldSettings
from bgmrec.config.serving import (
    EvaluateSettings,
    PublishSettings,
    RecommendSettings,
    ReportSettings,
    RetentionSettings,
)
from bgmrec.config.sources import EntitySettings, RatingsSettings, SplitSettings
from bgmrec.config.study import StudySettings
from bgmrec.config.submit import SubmitSettings
from bgmrec.config.tune import TuneSettings


class Settings(Section):
    """Keys and sections of a settings file; every section has working defaults."""

    seed: int = 1
    """Everything random derives from it: the same data, settings and seed give the same tables."""

    paths: PathSettings = PathSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    spark: SparkSettings = SparkSettings()
    submit: SubmitSettings = SubmitSettings()
    ids: IdSettings = IdSettings()
    ratings: RatingsSettings = RatingsSettings()
    users: EntitySettings = EntitySettings()
    items: EntitySettings = EntitySettings()
    profile: ProfileSettings = ProfileSettings()
    split: SplitSettings = SplitSettings()
    user_features: EntityFeatures = EntityFeatures()
    item_features: EntityFeatures = EntityFeatures()
    user_encoder: UserEncoderSettings = UserEncoderSettings()
    item_encoder: ItemEncoderSettings = ItemEncoderSettings()
    feed: FeedSettings = FeedSettings()
    factorize: FactorizeSettings = FactorizeSettings()
    trend: TrendSettings = TrendSettings()
    train: TrainSettings = TrainSettings()
    bayes: BayesSettings = BayesSettings()
    tune: TuneSettings = TuneSettings()
    study: StudySettings = StudySettings()
    recommend: RecommendSettings = RecommendSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    publish: PublishSettings = PublishSettings()
    retention: RetentionSettings = RetentionSettings()
    export: ExportSettings = ExportSettings()
    monitor: MonitorSettings = MonitorSettings()
    mlflow: MlflowSettings = MlflowSettings()
    report: ReportSettings = ReportSettings()
    crawl: CrawlSettings = CrawlSettings()
    frontier: FrontierSettings = FrontierSettings()
    world: WorldSettings = WorldSettings()

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        check_references(self)
        check_combinations(self)
        return self

    @property
    def validation_metric(self) -> Literal["rmse", "ndcg"]:
        """`train.metric`; where it is not set, the metric of the mode."""
        return self.train.metric or ("rmse" if self.factorize.mode == "explicit" else "ndcg")

    @property
    def gate_metric(self) -> str:
        """`publish.gate.metric`; where it is not set, the metric of the mode."""
        default = "rmse" if self.factorize.mode == "explicit" else f"ndcg@{self.evaluate.ks[0]}"
        return self.publish.gate.metric or default
