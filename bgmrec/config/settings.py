"""All settings of a run, one section per part."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import model_validator

from bgmrec.config.base import Conflict, Section
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

# columns of linear groups besides the fields of the features
MATRIX = {"svd:ratings", "log:counts"}
ENCODER = "prior:encoder"
TEXT = {"svd:text"}


class Settings(Section):
    """Keys and sections of a settings file; every section has working defaults."""

    seed: int = 1
    """Everything random derives from it: the same data, settings and seed give the same tables."""

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
        """Explicit ratings do not depend on the demand."""
        if self.trend.exponent and self.factorize.mode != "implicit":
            raise Conflict(
                "trend.exponent",
                "factorize.mode",
                expected="trend.exponent above 0 only with factorize.mode = implicit",
                found=f"trend.exponent = {self.trend.exponent:g}, factorize.mode = {self.factorize.mode}",
                hint="set trend.exponent = 0, or factorize.mode = implicit",
            )
        return self

    @model_validator(mode="after")
    def _steps_need_unobserved_pairs(self) -> Settings:
        """Conjugate gradients save time only where all rows share a part of their matrix."""
        model = self.factorize
        if model.cg_steps and (model.mode != "implicit" or not model.unobserved_weight):
            raise Conflict(
                "factorize.cg_steps",
                "factorize.mode",
                "factorize.unobserved_weight",
                expected="cg_steps above 0 only with mode = implicit and unobserved_weight above 0",
                found=f"cg_steps = {model.cg_steps}, mode = {model.mode}, "
                f"unobserved_weight = {model.unobserved_weight:g}",
                hint="set factorize.cg_steps = 0 to solve exactly",
            )
        return self

    @model_validator(mode="after")
    def _predicted_ratings_are_centred(self) -> Settings:
        """Prior mean and item factors predict the rest of a rating, so that no whole rating may be an input."""
        encoder = self.user_encoder
        if self.factorize.mode == "explicit" and encoder.prediction_weight and not encoder.center_ratings:
            raise Conflict(
                "user_encoder.center_ratings",
                "user_encoder.prediction_weight",
                expected="prediction_weight = 0 where center_ratings = false",
                found=f"center_ratings = false, prediction_weight = {encoder.prediction_weight:g}",
                hint="set user_encoder.prediction_weight = 0, or center_ratings = true",
            )
        return self

    @model_validator(mode="after")
    def _features_have_fields(self) -> Settings:
        """Every feature and document field is a field of its entity."""
        for side, entity, features in (
            ("user", self.users, self.user_features),
            ("item", self.items, self.item_features),
        ):
            fields = [field.name for field in entity.fields]
            used = {
                f"{side}_features.features": [feature.field for feature in features.features],
                f"{side}_features.document.fields": features.document.fields,
            }
            for key, names in used.items():
                _check_names(key, names, f"{side}s.fields", fields)
        return self

    @model_validator(mode="after")
    def _report_names_fields(self) -> Settings:
        """What the report names items by, and breaks metrics down by, are fields of the entity."""
        report = self.report
        users, items = ([field.name for field in entity.fields] for entity in (self.users, self.items))
        _check_names("report.user_slices", report.user_slices, "users.fields", users)
        for key, names in (
            ("report.title_field", [report.title_field]),
            ("report.label_fields", report.label_fields),
            ("report.group_field", [report.group_field]),
            ("report.item_slices", report.item_slices),
        ):
            _check_names(key, [name for name in names if name], "items.fields", items)
        return self

    @model_validator(mode="after")
    def _bayes_can_run(self) -> Settings:
        """Draws need explicit ratings and biases."""
        if self.bayes.draws and (self.factorize.mode != "explicit" or not self.factorize.bias):
            raise Conflict(
                "bayes.draws",
                "factorize.mode",
                "factorize.bias",
                expected="bayes.draws above 0 only with factorize.mode = explicit and factorize.bias = true",
                found=f"draws = {self.bayes.draws}, mode = {self.factorize.mode}, "
                f"bias = {str(self.factorize.bias).lower()}",
                hint="set bayes.draws = 0, or change [factorize]",
            )
        return self

    @model_validator(mode="after")
    def _reasons_have_an_equation(self) -> Settings:
        """A mean over draws has no equation that splits its scores into parts."""
        if self.bayes.draws and "recommendation_reasons" in self.publish.tables:
            raise Conflict(
                "publish.tables",
                "bayes.draws",
                expected="recommendation_reasons only with bayes.draws = 0",
                found=f"recommendation_reasons, and bayes.draws = {self.bayes.draws}",
                hint="remove recommendation_reasons from publish.tables, or set bayes.draws = 0",
            )
        return self

    @model_validator(mode="after")
    def _links_have_encoders(self) -> Settings:
        """The encoder's prior means are columns only where there is an encoder."""
        for side, encoder, groups in (
            ("user", self.user_encoder, self.bayes.user_groups),
            ("item", self.item_encoder, self.bayes.item_groups),
        ):
            if encoder.kind == "none" and any(ENCODER in group for group in groups):
                raise Conflict(
                    f"bayes.{side}_groups",
                    f"{side}_encoder.kind",
                    expected=f"{ENCODER} only where {side}_encoder.kind is not none",
                    found=f"{ENCODER}, and {side}_encoder.kind = none",
                    hint=f"remove {ENCODER} from bayes.{side}_groups, or choose an encoder",
                )
        return self

    @model_validator(mode="after")
    def _links_have_features(self) -> Settings:
        """Every column of a linear group is a feature of its side, or made of the training ratings or texts."""
        users, items = (
            [feature.field for feature in features.features] for features in (self.user_features, self.item_features)
        )
        for key, feature_key, groups, columns in (
            ("bayes.user_groups", "user_features.features", self.bayes.user_groups, {*users, *MATRIX, ENCODER}),
            ("bayes.item_groups", "item_features.features", self.bayes.item_groups, {*items, *MATRIX, ENCODER, *TEXT}),
            (
                "user_encoder.linear.groups",
                "user_features.features",
                self.user_encoder.linear.groups,
                {*users, *MATRIX},
            ),
            (
                "item_encoder.linear.groups",
                "item_features.features",
                self.item_encoder.linear.groups,
                {*items, *MATRIX, *TEXT},
            ),
        ):
            _check_names(key, [name for group in groups for name in group], feature_key, sorted(columns))
        return self


def _check_names(key: str, names: Sequence[str], declared_in: str, declared: Sequence[str]) -> None:
    """Raises Conflict where a key uses a name that another key does not declare."""
    if unknown := [name for name in dict.fromkeys(names) if name not in declared]:
        raise Conflict(
            key,
            declared_in,
            expected=f"names of {declared_in}: {', '.join(declared) or '(none)'}",
            found=", ".join(unknown),
            hint=f"correct {key}, or add {unknown[0]} to {declared_in}",
        )
