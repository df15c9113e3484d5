"""Crawl dumps: several crawls of an entity, with missing, malformed and unknown fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np

from bgmrec.synthetic import noise
from bgmrec.synthetic import vocabulary as v
from bgmrec.synthetic.dirt import CRAWL_DIRT, dirt
from bgmrec.synthetic.music import Music, audio, music
from bgmrec.synthetic.names import item_id, user_id
from bgmrec.synthetic.people import People, people
from bgmrec.synthetic.plan import Arrivals, WorldPlan
from bgmrec.synthetic.texts import artist_names, descriptions, titles

Record = dict[str, Any]
NEVER_CRAWLED = 0.03  # share of the entities without a crawl
MISSING = 0.06  # share of crawls without a given optional field
_MAX_CRAWLS = 3
_GROWTH = 0.03  # of followers and uses per day
# value of a field that the crawler misread
_MALFORMED: Record = {
    "age": "n/a",
    "followers": "1.2k",
    "registered_at": "soon",
    "interests": "…",
    "bpm": "fast",
    "duration_ms": "3:45",
    "uses": -1,
    "audio": "[]",
}


def user_crawls(plan: WorldPlan, ids: np.ndarray) -> list[tuple[str, str]]:
    """(date, line) of every crawl of some users.

    Args:
        plan: of the world.
        ids: (rows,) users.
    """
    of = people(plan, ids)
    records = [user_record(plan, of, row) for row in range(len(ids))]
    return _crawls(plan, "user", ids, plan.user_arrivals, records, "user_id", "followers")


def item_crawls(plan: WorldPlan, ids: np.ndarray) -> list[tuple[str, str]]:
    """(date, line) of every crawl of some items.

    Args:
        plan: of the world.
        ids: (rows,) items.
    """
    records = item_records(plan, music(plan, ids))
    return _crawls(plan, "item", ids, plan.item_arrivals, records, "music_id", "uses")


def user_record(plan: WorldPlan, of: People, row: int) -> Record:
    """The complete record of a user.

    Args:
        plan: of the world.
        of: profiles.
        row: of the user among them.
    """
    return {
        "user_id": user_id(of.ids[row]),
        "age": int(of.ages[row]),
        "gender": v.GENDERS[of.genders[row]],
        "country": v.COUNTRIES[of.countries[row]],
        "device": v.DEVICES[of.devices[row]],
        "interests": [v.GENRES[genre] for genre in of.interests[row, : of.n_interests[row]]],
        "followers": int(of.followers[row]),
        "registered_at": str(plan.first_day - timedelta(days=int(of.registered[row]))),
    }


def item_records(plan: WorldPlan, of: Music) -> list[Record]:
    """The complete record of each item.

    Args:
        plan: of the world.
        of: attributes of the items.
    """
    sounds = audio(plan, of).round(4)
    texts = zip(titles(plan, of), artist_names(plan, of.artists), descriptions(plan, of), strict=True)
    uses = np.exp(noise.normals(plan.seed, "item/uses", of.ids, 1)[:, 0] + 4.0)
    return [
        {
            "music_id": item_id(of.ids[row]),
            "title": title,
            "artist": artist,
            "artist_id": f"a{of.artists[row]:06d}",
            "genre": v.GENRES[of.genres[row]],
            "mood": v.MOODS[of.moods[row]],
            "music_type": v.MUSIC_TYPES[of.types[row]],
            "bpm": float(of.bpm[row]),
            "duration_ms": int(of.duration_ms[row]),
            "released_at": str(plan.first_day - timedelta(days=int(of.released[row]))),
            "description": description,
            "audio": sounds[row].tolist(),
            "uses": int(uses[row]),
        }
        for row, (title, artist, description) in enumerate(texts)
    ]


def _crawls(
    plan: WorldPlan, kind: str, ids: np.ndarray, arrivals: Arrivals, records: list[Record], key: str, growing: str
) -> list[tuple[str, str]]:
    """The first crawl on the day when an entity arrives, and up to two more later."""
    often, never = noise.uniforms(plan.seed, f"{kind}/crawls", ids, 2).T
    n_crawls = np.where(never < NEVER_CRAWLED, 0, 1 + (often < 0.35) + (often < 0.1))
    rows = np.repeat(np.arange(len(ids)), n_crawls)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(n_crawls) - n_crawls, n_crawls)
    crawl_ids = ids[rows] * _MAX_CRAWLS + nth
    arrived = arrivals.day_of(ids)[rows]
    later = arrived + (noise.uniform_per_id(plan.seed, f"{kind}/crawl_day", crawl_ids) * (plan.days - arrived)).astype(
        np.int64
    )
    days = np.where(nth == 0, arrived, later)
    seconds = noise.integers(plan.seed, f"{kind}/crawl_second", crawl_ids, 86_400)
    kinds = dirt(plan, f"{kind}_crawl", crawl_ids, CRAWL_DIRT)
    gaps = noise.uniforms(plan.seed, f"{kind}/gaps", crawl_ids, len(records[0]) if records else 0)
    dates = plan.dates()
    return [
        (dates[day], _line(plan, _grown(records[row], growing, day), key, CRAWL_DIRT[wrong], dates[day], second, gap))
        for row, day, second, wrong, gap in zip(rows, days, seconds, kinds, gaps, strict=True)
    ]


def _grown(record: Record, field: str, day: int) -> Record:
    return {**record, field: int(record[field] * (1 + _GROWTH * day))}


def _line(plan: WorldPlan, record: Record, key: str, wrong: str, date: str, second: int, gaps: np.ndarray) -> str:
    """One crawl as JSON: some optional fields missing or malformed, unknown fields added; dirty crawls are damaged."""
    malformed_below = MISSING + plan.dirty_share * (1 - MISSING)
    kept = {
        field: _MALFORMED[field] if gap < malformed_below and field in _MALFORMED else value
        for (field, value), gap in zip(record.items(), gaps.tolist(), strict=True)
        if field == key or gap >= MISSING
    }
    kept |= {"fetched_at": f"{date}T{_clock(second)}Z", "crawler": "bgm-spider/2.3", "http_status": 200}
    damage: dict[str, Callable[[], Record]] = {
        "missing_id": lambda: {field: value for field, value in kept.items() if field != key},
        "bad_time": lambda: {**kept, "fetched_at": "yesterday"},
    }
    line = json.dumps(damage[wrong]() if wrong in damage else kept, ensure_ascii=False, separators=(",", ":"))
    return line[: len(line) * 2 // 3] if wrong == "broken_json" else line


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
