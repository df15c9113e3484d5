"""The content of the site: music, artists and users of a world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bgmrec.synthetic.crawl import item_records, user_record
from bgmrec.synthetic.music import music
from bgmrec.synthetic.people import people
from bgmrec.synthetic.plan import WorldPlan

Entity = dict[str, Any]


@dataclass(frozen=True)
class SiteCatalogue:
    """Entities by external id.

    Args:
        music: records of items.
        artists: names, and ids of their music.
        users: records of users.
    """

    music: dict[str, Entity]
    artists: dict[str, Entity]
    users: dict[str, Entity]


def catalogue(plan: WorldPlan) -> SiteCatalogue:
    """All entities of a world, with the attributes that its plays were computed from.

    Args:
        plan: of the world.
    """
    tracks = item_records(plan, music(plan, np.arange(plan.items)))
    artists: dict[str, Entity] = {}
    for track in tracks:
        artist = artists.setdefault(track["artist_id"], {"name": track["artist"], "music": []})
        artist["music"].append(track["music_id"])
    everybody = people(plan, np.arange(plan.users))
    users = [user_record(plan, everybody, row) for row in range(plan.users)]
    return SiteCatalogue(
        music={track["music_id"]: track for track in tracks},
        artists=artists,
        users={user["user_id"]: user for user in users},
    )
