"""Dirty rows of the raw files, and their kinds."""

from __future__ import annotations

import numpy as np

from bgmrec.synthetic import noise
from bgmrec.synthetic.plan import VIDEOS_PER_ITEM, WorldPlan

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
UNKNOWN_VIDEOS = 12  # per world: a third have music "0", a third no music, a third are not in the table
OUT_OF_RANGE = (0.0, 6.0, -1.0, 55.0)


def dirt(plan: WorldPlan, stream: str, ids: np.ndarray, kinds: tuple[str, ...]) -> np.ndarray:
    """(rows,) positions in `kinds`: 0 for clean rows, all others with equal shares of `dirty_share`.

    Args:
        plan: of the world.
        stream: name of the rows.
        ids: (rows,) of the rows.
        kinds: of dirt; the first is a clean row.
    """
    dirty, kind = noise.uniforms(plan.seed, f"{stream}/dirt", ids, 2).T
    return np.where(dirty < plan.dirty_share, 1 + (kind * (len(kinds) - 1)).astype(np.int64), CLEAN)


def add_dirt(plan: WorldPlan, ids: np.ndarray, events: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Adds `dirt`, and the wrong numbers of rows with one; a duplicate becomes two equal rows.

    Args:
        plan: of the world.
        ids: (rows,) of the events.
        events: clean columns, each (rows,).
    """
    kinds = dirt(plan, "event", ids, EVENT_DIRT)
    code = {kind: position for position, kind in enumerate(EVENT_DIRT)}
    which = noise.integers(plan.seed, "event/spoilt", ids, UNKNOWN_VIDEOS)
    bad_rating = np.asarray(OUT_OF_RANGE)[which % len(OUT_OF_RANGE)]
    # dirty rows are ratings, because other rows may be filtered unread
    rating = np.where((kinds != CLEAN) & np.isnan(events["rating"]), 3.0, events["rating"])
    rating = np.where(kinds == code["rating_out_of_range"], bad_rating, rating)
    video = np.where(kinds == code["unknown_music"], unknown_videos(plan)[which], events["video"])
    dirty = {**events, "rating": rating, "video": video, "dirt": kinds}
    copies = 1 + (kinds == code["duplicate"])
    return {name: np.repeat(values, copies) for name, values in dirty.items()}


def unknown_videos(plan: WorldPlan) -> np.ndarray:
    """(UNKNOWN_VIDEOS,) videos without known music.

    Args:
        plan: of the world.
    """
    return plan.items * VIDEOS_PER_ITEM + np.arange(UNKNOWN_VIDEOS)
