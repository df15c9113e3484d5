"""All settings of a run, one section per part."""

from __future__ import annotations

from pydantic import model_validator

from bgmrec.config.base import Section
from bgmrec.config.crawl import CrawlSettings, FrontierSettings
from bgmrec.config.export import ExportSettings, MonitorSettings
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
from bgmrec.config.runtime import PathSettings, SparkSettings, WorldSettings
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

# what linear links may name besides the fields of the features
MATRIX = {"svd:ratings", "log:counts"}
LINK_COLUMNS = MATRIX | {"prior:encoder"}
TEXT = {"svd:text"}


class Settings(Section):
    """The root of the TOML files; every section has working defaults."""

    seed: int = 1
    paths: PathSettings = PathSettings()
    spark: SparkSettings = SparkSettings()
    submit: SubmitSettings = SubmitSettings()
    ratings: RatingsSettings = RatingsSettings()
    users: EntitySettings = EntitySettings()
    items: EntitySettings = EntitySettings()
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
    report: ReportSettings = ReportSettings()
    crawl: CrawlSettings = CrawlSettings()
    frontier: FrontierSettings = FrontierSettings()
    world: WorldSettings = WorldSettings()

    @model_validator(mode="after")
    def _trend_raises_preferences(self) -> Settings:
        """Explicit ratings are what they are, whatever the demand."""
        if self.trend.exponent and self.factorize.mode != "implicit":
            raise ValueError("trend.exponent above 0 needs factorize.mode = implicit")
        return self

    @model_validator(mode="after")
    def _steps_need_unobserved_pairs(self) -> Settings:
        """Conjugate gradients are worth their steps where all rows share a part."""
        own = self.factorize
        if own.cg_steps and (own.mode != "implicit" or not own.unobserved_weight):
            raise ValueError("factorize.cg_steps above 0 needs mode = implicit and unobserved_weight above 0")
        return self

    @model_validator(mode="after")
    def _predicted_ratings_are_centred(self) -> Settings:
        """Prior mean and item factors predict what is left of a rating, so that no whole one may enter."""
        own = self.user_encoder
        if self.factorize.mode == "explicit" and own.prediction_weight and not own.center_ratings:
            raise ValueError("user_encoder.center_ratings = false needs user_encoder.prediction_weight = 0")
        return self

    @model_validator(mode="after")
    def _features_have_fields(self) -> Settings:
        """Every feature and document field is a field of its entity."""
        sides = {"users": (self.users, self.user_features), "items": (self.items, self.item_features)}
        for side, (entity, features) in sides.items():
            known = {field.name for field in entity.fields}
            wanted = [feature.field for feature in features.features] + list(features.document.fields)
            missing = sorted(set(wanted) - known)
            if missing:
                fields = ", ".join(sorted(known)) or "none"
                raise ValueError(f"{side[:-1]}_features name {missing}, but the fields of [{side}] are {fields}")
        return self

    @model_validator(mode="after")
    def _report_names_fields(self) -> Settings:
        """What the report calls items by, and tells apart by, are fields of theirs."""
        own = self.report
        of_items = [name for name in (own.title_field, *own.label_fields, own.group_field, *own.item_slices) if name]
        for side, entity, wanted in (("users", self.users, own.user_slices), ("items", self.items, of_items)):
            known = [field.name for field in entity.fields]
            if unknown := [name for name in wanted if name not in known]:
                fields = ", ".join(known) or "none"
                raise ValueError(f"[report] names {unknown}, but the fields of [{side}] are {fields}")
        return self

    @model_validator(mode="after")
    def _bayes_can_run(self) -> Settings:
        """Draws need explicit ratings and biases."""
        if self.bayes.draws and (self.factorize.mode != "explicit" or not self.factorize.bias):
            raise ValueError("bayes.draws needs factorize.mode = explicit and factorize.bias = true")
        return self

    @model_validator(mode="after")
    def _reasons_have_an_equation(self) -> Settings:
        """A mean over draws has no equation that its scores could be taken apart by."""
        if self.bayes.draws and "recommendation_reasons" in self.publish.tables:
            raise ValueError("publish.tables names recommendation_reasons, which needs bayes.draws = 0")
        return self

    @model_validator(mode="after")
    def _links_have_encoders(self) -> Settings:
        sides = (
            ("user", self.user_encoder, self.bayes.user_groups),
            ("item", self.item_encoder, self.bayes.item_groups),
        )
        for side, encoder, groups in sides:
            if encoder.kind == "none" and any("prior:encoder" in group for group in groups):
                raise ValueError(f"bayes.{side}_groups name prior:encoder, but {side}_encoder.kind is none")
        return self

    @model_validator(mode="after")
    def _links_have_features(self) -> Settings:
        """Every column of a linear link is a feature of its side, or made of the training ratings or texts."""
        links = {
            "bayes.user_groups": (self.user_features, self.bayes.user_groups, LINK_COLUMNS),
            "bayes.item_groups": (self.item_features, self.bayes.item_groups, LINK_COLUMNS | TEXT),
            "user_encoder.linear.groups": (self.user_features, self.user_encoder.linear.groups, MATRIX),
            "item_encoder.linear.groups": (self.item_features, self.item_encoder.linear.groups, MATRIX | TEXT),
        }
        for key, (features, groups, made) in links.items():
            known = {feature.field for feature in features.features} | made
            unknown = sorted({name for group in groups for name in group} - known)
            if unknown:
                raise ValueError(f"{key} name {unknown}, but the features are {', '.join(sorted(known))}")
        return self
