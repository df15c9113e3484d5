"""Plays and ratings of users, day by day."""

from __future__ import annotations

import numpy as np

from bgmrec.synthetic import noise
from bgmrec.synthetic.music import characters, music
from bgmrec.synthetic.people import people, tastes
from bgmrec.synthetic.plan import VIDEOS_PER_ITEM, WorldPlan, scattered
from bgmrec.synthetic.taste import affinity, trend
from bgmrec.synthetic.vocabulary import GENRES

CANDIDATES = 8  # items of which a user chooses one
ITEM_EXPONENT = 0.8  # popularity ~ position^-0.8
USER_EXPONENT = 0.5  # activity ~ position^-0.5
_TASTE_LOGIT = 1.2  # weight of affinity in the choice
_MEAN, _AFFINITY, _NOISE = 3.0, 0.75, 0.5  # of a rating before it is rounded
# share of the day's plays by hour: few at night, most in the evening
_HOURS = np.array([2, 1, 1, 1, 1, 1, 2, 3, 4, 4, 4, 5, 6, 6, 5, 5, 5, 6, 7, 8, 9, 8, 6, 4], dtype=np.float64)


def plays(plan: WorldPlan, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Clean events, one per id.

    r = 3 + user bias + item bias + 0.75 affinity + noise, rounded to 1..5.

    Args:
        plan: of the world.
        ids: (rows,) events.

    Returns:
        Arrays (rows,): user_idx, item_idx, video, day, second (of the day), affinity, rating (NaN where the
        user gave none), play_ms, duration_ms, liked.
    """
    days = plan.day_of_event(ids)
    users = _users(plan, ids, days)
    unique_users, user_at = np.unique(users, return_inverse=True)
    taste, user_bias = tastes(plan, people(plan, unique_users))
    chosen = _choose(plan, ids, days, taste[user_at])
    stars = _MEAN + user_bias[user_at] + chosen["bias"] + _AFFINITY * chosen["affinity"]
    stars += _NOISE * noise.normals(plan.seed, "event/rating", ids, 1)[:, 0]
    rated = noise.uniform_per_id(plan.seed, "event/rated", ids) < plan.rated_share
    # the logit of the played share
    attention = noise.normals(plan.seed, "event/attention", ids, 1)[:, 0] + chosen["affinity"]
    return {
        "user_idx": users,
        "item_idx": chosen["item_idx"],
        "video": chosen["video"],
        "day": days,
        "second": _seconds(plan, ids),
        "affinity": chosen["affinity"],
        "rating": np.where(rated, np.clip(np.rint(stars), 1, 5), np.nan),
        "play_ms": (chosen["duration_ms"] / (1 + np.exp(-attention))).astype(np.int64),
        "duration_ms": chosen["duration_ms"],
        "liked": attention > 2.0,
    }


def _users(plan: WorldPlan, ids: np.ndarray, days: np.ndarray) -> np.ndarray:
    """(rows,) users by long-tailed activity; a user who has not arrived is replaced by one who has."""
    first, second = noise.uniforms(plan.seed, "event/user", ids, 2).T
    drawn = scattered(noise.long_tailed(first, plan.users, USER_EXPONENT), plan.users)
    arrived = plan.user_arrivals.by(days)
    return np.where(drawn < arrived, drawn, (second * arrived).astype(np.int64))


def _candidates(plan: WorldPlan, ids: np.ndarray, days: np.ndarray) -> np.ndarray:
    """(rows, 8) items: seven by long-tailed popularity, one among the newest."""
    shape = (len(ids), CANDIDATES)
    first = noise.uniforms(plan.seed, "event/candidates", ids, CANDIDATES)
    second = noise.uniforms(plan.seed, "event/instead", ids, CANDIDATES)
    arrived = np.broadcast_to(plan.item_arrivals.by(days)[:, None], shape)
    drawn = scattered(noise.long_tailed(first, plan.items, ITEM_EXPONENT), plan.items)
    drawn = np.where(drawn < arrived, drawn, (second * arrived).astype(np.int64))
    newest = arrived[:, 0] - 1 - (second[:, 0] * np.maximum(1, arrived[:, 0] // 50)).astype(np.int64)
    drawn[:, 0] = newest
    return drawn


def _choose(plan: WorldPlan, ids: np.ndarray, days: np.ndarray, taste: np.ndarray) -> dict[str, np.ndarray]:
    """One of the candidates by softmax of 1.2 affinity + the genre's trend on the day."""
    candidates = _candidates(plan, ids, days)  # (rows, 8)
    unique, at = np.unique(candidates, return_inverse=True)
    at = at.reshape(candidates.shape)
    of = music(plan, unique)
    latent, bias = characters(plan, of)
    match = affinity(taste[:, None, :], latent[at])  # (rows, 8, width) -> (rows, 8)
    trends = trend(plan.seed, len(GENRES), plan.days, plan.drift)[of.genres[at], days[:, None]]
    logits = _TASTE_LOGIT * match + trends + noise.gumbels(plan.seed, "event/choice", ids, CANDIDATES)
    choice = logits.argmax(axis=1)
    rows = np.arange(len(ids))
    item = at[rows, choice]
    clip = (noise.uniform_per_id(plan.seed, "event/video", ids) * of.n_videos[item]).astype(np.int64)
    return {
        "item_idx": unique[item],
        "video": unique[item] * VIDEOS_PER_ITEM + clip,
        "affinity": match[rows, choice],
        "bias": bias[item],
        "duration_ms": of.duration_ms[item],
    }


def _seconds(plan: WorldPlan, ids: np.ndarray) -> np.ndarray:
    hour, within = noise.uniforms(plan.seed, "event/second", ids, 2).T
    hours = np.searchsorted(np.cumsum(_HOURS) / _HOURS.sum(), hour, side="right")
    return np.asarray(np.minimum(hours, 23) * 3600 + (within * 3600).astype(np.int64))
