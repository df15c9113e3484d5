"""All settings of a run, one section per part."""

from __future__ import annotations

from pydantic import model_validator

from bgmrec.config.base import Section
from bgmrec.config.crawl import CrawlSettings, FrontierSettings
from bgmrec.config.features import EntityFeatures
from bgmrec.config.model import (
    FactorizeSettings,
    FeedSettings,
    ItemEncoderSettings,
    TrainSettings,
    UserEncoderSettings,
)
from bgmrec.config.runtime import PathSettings, SparkSettings, WorldSettings
from bgmrec.config.serving import EvaluateSettings, PublishSettings, RecommendSettings
from bgmrec.config.sources import EntitySettings, RatingsSettings, SplitSettings


class Settings(Section):
    """The root of the TOML files; every section has working defaults."""

    seed: int = 1
    paths: PathSettings = PathSettings()
    spark: SparkSettings = SparkSettings()
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
    train: TrainSettings = TrainSettings()
    recommend: RecommendSettings = RecommendSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    publish: PublishSettings = PublishSettings()
    crawl: CrawlSettings = CrawlSettings()
    frontier: FrontierSettings = FrontierSettings()
    world: WorldSettings = WorldSettings()

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
