"""Digests of the settings that decide a result: a run resumes only from what the same settings made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any

import bgmrec
from bgmrec.config import Settings

STAGES = ("ingest_ratings", "ingest_side_info", "build_features", "train", "evaluate", "recommend")

# Storage, lock, Spark, the crawl of the day, what a search varies, the checks before publishing, and what happens or is
# reported after it change no result: a resumed run may change them
WITHOUT_EFFECT = frozenset(
    {
        "paths",
        "runtime",
        "spark",
        "submit",
        "world",
        "crawl",
        "frontier",
        "tune",
        "profile",
        "publish",
        "retention",
        "export",
        "monitor",
        "mlflow",
        "report",
    }
)

# The settings that a stage reads, whole sections or single keys, without those of the stages before it: these are
# added, as a stage builds on what they wrote. A test compares them with what the stages do read.
READ_BY_STAGE: dict[str, tuple[str, ...]] = {
    "ingest_ratings": ("ids", "ratings", "split", "factorize.mode", "study.liked_rating"),
    "ingest_side_info": ("users", "items"),
    "build_features": ("seed", "user_features", "item_features", "train.warm_start", "train.warm_runs"),
    "train": (
        *("factorize", "trend", "user_encoder", "item_encoder", "feed", "train", "bayes"),
        # validation by NDCG makes lists
        *("recommend.allow", "recommend.deny", "recommend.filter_seen", "recommend.seen_rating"),
        *("recommend.max_per_field", "recommend.popularity_days", "evaluate.relevant_rating", "evaluate.clip"),
    ),
    "evaluate": ("evaluate",),
    "recommend": ("recommend",),
}


def fingerprint(settings: Settings) -> str:
    """A short digest of the code version and of all settings that decide the result.

    Args:
        settings: of the run.
    """
    return _digest(result_settings(settings))


def stage_fingerprint(settings: Settings, stage: str) -> str:
    """A short digest of the code version and of the settings that a stage and the stages before it read.

    Args:
        settings: of the run.
        stage: one of `STAGES`.
    """
    return keys_fingerprint(settings, settings_read_up_to(stage))


def keys_fingerprint(settings: Settings, keys: Collection[str]) -> str:
    """A short digest of the code version and of some of the settings.

    Args:
        settings: of the run.
        keys: whole sections or single keys.
    """
    include: dict[str, Any] = {}
    for key in keys:
        section, _, name = key.partition(".")
        if not name:
            include[section] = True
        elif include.get(section) is not True:
            include.setdefault(section, set()).add(name)
    return _digest(settings.model_dump(mode="json", include=include))


def settings_read_up_to(stage: str) -> tuple[str, ...]:
    """Sections and keys of the settings that decide what a stage makes.

    Args:
        stage: one of `STAGES`.
    """
    return tuple(key for name in STAGES[: STAGES.index(stage) + 1] for key in READ_BY_STAGE[name])


def result_settings(settings: Settings) -> dict[str, Any]:
    """The settings that decide the result; no address, account or path is among them.

    Args:
        settings: of the run.
    """
    return settings.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))


def _digest(sections: dict[str, Any]) -> str:
    text = json.dumps({"version": bgmrec.__version__, **sections}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
