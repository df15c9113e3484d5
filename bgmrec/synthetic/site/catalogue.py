"""What the site knows: the music, artists and users of a world, ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bgmrec.synthetic.crawl import item_records, user_record
from bgmrec.synthetic.music import music
from bgmrec.synthetic.people import people
from bgmrec.synthetic.plan import Plan

Entity = dict[str, Any]


@dataclass(frozen=True)
class Catalogue:
    """Entities by external id.

    artists: id, name, and the ids of their music.
    """

    music: dict[str, Entity]
    artists: dict[str, Entity]
    users: dict[str, Entity]


def catalogue(plan: Plan) -> Catalogue:
    """All entities of a world; the same numbers that its plays were made of."""
    tracks = item_records(plan, music(plan, np.arange(plan.items)))
    artists: dict[str, Entity] = {}
    for track in tracks:
        artist = artists.setdefault(track["artist_id"], {"name": track["artist"], "music": []})
        artist["music"].append(track["music_id"])
    everybody = people(plan, np.arange(plan.users))
    users = [user_record(plan, everybody, row) for row in range(plan.users)]
    return Catalogue(
        music={track["music_id"]: track for track in tracks},
        artists=artists,
        users={user["user_id"]: user for user in users},
    )
