"""The pages: music in JSON-LD, microdata or plain HTML, artists and profiles in JSON-LD."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

from bgmrec.synthetic.site.catalogue import Entity, SiteCatalogue

NOTATIONS = ("json-ld", "microdata", "plain")


def notation_of(music_id: str) -> str:
    """The notation of a track's page; each notation has a third of the tracks.

    Args:
        music_id: external id.
    """
    return NOTATIONS[int(music_id[1:]) % len(NOTATIONS)]


def music_page(track: Entity) -> str:
    """The page of a track, in its notation.

    Args:
        track: its record.
    """
    body = {"json-ld": _music_json_ld, "microdata": _music_microdata, "plain": _music_plain}
    artist = f'<p><a href="/artist/{track["artist_id"]}">more by this artist</a></p>'
    return _page(track["title"], body[notation_of(track["music_id"])](track) + artist)


def _music_json_ld(track: Entity) -> str:
    return _script(music_object(track)) + f"<h1>{escape(track['title'])}</h1>"


def music_object(track: Entity) -> dict[str, Any]:
    """The track as a MusicRecording of schema.org.

    Args:
        track: its record.
    """
    extra = {name: track[name] for name in ("mood", "music_type", "bpm")}
    extra["audio"] = ",".join(map(str, track["audio"]))
    return {
        "@context": "https://schema.org",
        "@type": "MusicRecording",
        "identifier": track["music_id"],
        "name": track["title"],
        "byArtist": {"@type": "MusicGroup", "identifier": track["artist_id"], "name": track["artist"]},
        "genre": track["genre"],
        "duration": duration(track["duration_ms"]),
        "datePublished": track["released_at"],
        "description": track["description"],
        "interactionStatistic": {"@type": "InteractionCounter", "userInteractionCount": track["uses"]},
        "additionalProperty": [
            {"@type": "PropertyValue", "name": name, "value": value} for name, value in extra.items()
        ],
    }


def duration(milliseconds: int) -> str:
    """A duration in ISO 8601, as in schema.org, rounded to tenths of a second.

    Args:
        milliseconds: the duration.
    """
    minutes, rest = divmod(round(milliseconds / 100), 600)
    return f"PT{minutes}M{rest / 10}S"


def _music_microdata(track: Entity) -> str:
    item = music_object(track)
    artist, uses = item["byArtist"], item["interactionStatistic"]
    properties = "".join(
        f'<li itemprop="additionalProperty" itemscope itemtype="https://schema.org/PropertyValue">'
        f'<span itemprop="name">{escape(one["name"])}</span> '
        f'<span itemprop="value">{escape(str(one["value"]))}</span></li>'
        for one in item["additionalProperty"]
    )
    plain = "".join(
        f'<p itemprop="{name}">{escape(str(item[name]))}</p>' for name in ("identifier", "genre", "description")
    )
    return (
        f'<div itemscope itemtype="https://schema.org/MusicRecording"><h1 itemprop="name">{escape(item["name"])}</h1>'
        f'{plain}<meta itemprop="duration" content="{item["duration"]}">'
        f'<time itemprop="datePublished" datetime="{item["datePublished"]}">{item["datePublished"]}</time>'
        f'<span itemprop="byArtist" itemscope itemtype="https://schema.org/MusicGroup">'
        f'<meta itemprop="identifier" content="{artist["identifier"]}">'
        f'<span itemprop="name">{escape(artist["name"])}</span></span>'
        f'<span itemprop="interactionStatistic" itemscope itemtype="https://schema.org/InteractionCounter">'
        f'<span itemprop="userInteractionCount">{uses["userInteractionCount"]}</span></span>'
        f"<ul>{properties}</ul></div>"
    )


def _music_plain(track: Entity) -> str:
    shown = {
        "genre": track["genre"],
        "mood": track["mood"],
        "music-type": track["music_type"],
        "bpm": track["bpm"],
        "duration": duration(track["duration_ms"]),
        "released": track["released_at"],
        "uses": track["uses"],
        "audio": ",".join(map(str, track["audio"])),
    }
    rows = "".join(f'<dt>{name}</dt><dd class="{name}">{escape(str(value))}</dd>' for name, value in shown.items())
    return (
        f'<h1 class="title" data-id="{track["music_id"]}">{escape(track["title"])}</h1>'
        f'<p class="artist" data-id="{track["artist_id"]}">{escape(track["artist"])}</p>'
        f'<dl>{rows}</dl><p class="description">{escape(track["description"])}</p>'
    )


def artist_page(artist_id: str, artist: Entity) -> str:
    """The page of an artist, with links to the music.

    Args:
        artist_id: external id.
        artist: name and music.
    """
    group = {
        "@context": "https://schema.org",
        "@type": "MusicGroup",
        "identifier": artist_id,
        "name": artist["name"],
        "numTracks": len(artist["music"]),
    }
    return _page(artist["name"], _script(group) + links(f"/music/{track}" for track in artist["music"]))


def user_page(user: Entity) -> str:
    """The page of a user, with contact data that a crawler must not store.

    Args:
        user: the record.
    """
    person = {
        "@type": "Person",
        "identifier": user["user_id"],
        "name": f"Listener {user['user_id']}",
        "email": f"{user['user_id']}@listener.invalid",
        "telephone": "+00 0000 " + user["user_id"][-4:],
        "gender": user["gender"],
        "nationality": user["country"],
        "knowsAbout": user["interests"],
        "interactionStatistic": {"@type": "InteractionCounter", "userInteractionCount": user["followers"]},
        "additionalProperty": [
            {"@type": "PropertyValue", "name": "age", "value": user["age"], "email": "also here"},
            {"@type": "PropertyValue", "name": "device", "value": user["device"]},
        ],
    }
    profile = {
        "@context": "https://schema.org",
        "@type": "ProfilePage",
        "dateCreated": user["registered_at"],
        "mainEntity": person,
    }
    return _page(person["name"], _script(profile))


def api_track(track: Entity) -> dict[str, Any]:
    """A track in an answer of the API.

    Args:
        track: its record.
    """
    return {"id": track["music_id"], **{name: track[name] for name in track if name != "music_id"}}


def index_page(of: SiteCatalogue) -> str:
    """The start page, with links to all artists.

    Args:
        of: the catalogue.
    """
    return _page("Music for videos", links(f"/artist/{artist}" for artist in of.artists))


def result_page(of: SiteCatalogue, word: str) -> str:
    """The search page: music with a word in its title or description.

    Args:
        of: the catalogue.
        word: in lower case.
    """
    matches = [
        music_id for music_id, track in of.music.items() if word in f"{track['title']} {track['description']}".lower()
    ]
    return _page(f"{len(matches)} results", links(f"/music/{music_id}" for music_id in matches))


def links(targets: Iterable[str]) -> str:
    """A list of links.

    Args:
        targets: addresses.
    """
    return "<ul>" + "".join(f'<li><a href="{escape(url)}">{escape(url)}</a></li>' for url in targets) + "</ul>"


def _script(item: dict[str, Any]) -> str:
    text = json.dumps(item, ensure_ascii=False).replace("</", "<\\/")
    return f'<script type="application/ld+json">{text}</script>'


def _page(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        f'<body><nav><a href="/">home</a></nav>{body}</body></html>'
    )
