"""Which rows of the raw files are dirty, and in what way."""

from __future__ import annotations

import numpy as np

from bgmrec.synthetic import noise
from bgmrec.synthetic.plan import VIDEOS_PER_ITEM, Plan

CLEAN = 0
EVENT_DIRT = (
    "",
    "missing_user",
    "missing_video",
    "bad_time",
    "rating_out_of_range",
    "rating_nan",
    "unknown_music",
    "broken_json",
    "duplicate",
)
CRAWL_DIRT = ("", "missing_id", "bad_time", "broken_json")
UNKNOWN_VIDEOS = 12  # per world: a third have music "0", a third an empty one, a third are in no table
OUT_OF_RANGE = (0.0, 6.0, -1.0, 55.0)


def dirt(plan: Plan, stream: str, ids: np.ndarray, kinds: tuple[str, ...]) -> np.ndarray:
    """(rows,) positions in `kinds`: 0 for a clean row, the others equally often, `dirty_share` together."""
    dirty, kind = noise.uniforms(plan.seed, f"{stream}/dirt", ids, 2).T
    return np.where(dirty < plan.dirty_share, 1 + (kind * (len(kinds) - 1)).astype(np.int64), CLEAN)


def soil_events(plan: Plan, ids: np.ndarray, events: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Adds `dirt`, and spoils the numbers where a number is what is wrong; a duplicate becomes two equal rows."""
    kinds = dirt(plan, "event", ids, EVENT_DIRT)
    code = {kind: position for position, kind in enumerate(EVENT_DIRT)}
    which = noise.integers(plan.seed, "event/spoilt", ids, UNKNOWN_VIDEOS)
    bad_rating = np.asarray(OUT_OF_RANGE)[which % len(OUT_OF_RANGE)]
    # a dirty row is one that should have been a rating: elsewhere nobody would look at it
    rating = np.where((kinds != CLEAN) & np.isnan(events["rating"]), 3.0, events["rating"])
    rating = np.where(kinds == code["rating_out_of_range"], bad_rating, rating)
    video = np.where(kinds == code["unknown_music"], unknown_videos(plan)[which], events["video"])
    soiled = {**events, "rating": rating, "video": video, "dirt": kinds}
    copies = 1 + (kinds == code["duplicate"])
    return {name: np.repeat(values, copies) for name, values in soiled.items()}


def unknown_videos(plan: Plan) -> np.ndarray:
    """Videos whose music nobody knows."""
    return plan.items * VIDEOS_PER_ITEM + np.arange(UNKNOWN_VIDEOS)
