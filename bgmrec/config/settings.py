"""All settings of a run, one section per part."""

from __future__ import annotations

from bgmrec.config.base import Section
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
    world: WorldSettings = WorldSettings()
