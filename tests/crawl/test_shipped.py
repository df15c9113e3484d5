"""The shipped sources against answers in the shape that their sites document."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from scrapy.http import HtmlResponse, Response, TextResponse

from bgmrec.config import load_settings
from bgmrec.crawl.pages import Reader
from bgmrec.crawl.plan import make_plan
from bgmrec.crawl.results import Page, PageResult

CONF = Path(__file__).parents[2] / "conf"
DS = date(2025, 1, 6)
# after the examples of https://schema.org/MusicAlbum, /Review and /AggregateRating
ALBUM = {
    "@context": "https://schema.org",
    "@type": "MusicAlbum",
    "identifier": "a1",
    "name": "Night",
    "byArtist": {"@type": "MusicGroup", "name": "The Owls"},
    "track": [{"@type": "MusicRecording", "name": "One"}, {"@type": "MusicRecording", "name": "Two"}],
    "review": [
        {
            "@type": "Review",
            "@id": f"https://music.example/review/{number}",
            "itemReviewed": {"identifier": "a1"},
            "reviewRating": {"@type": "Rating", "ratingValue": number},
            "reviewBody": f"text {number}",
            "author": {"@type": "Person", "name": "nobody's business"},
        }
        for number in (3, 5)
    ],
}
# https://musicbrainz.org/doc/MusicBrainz_API/Examples, shortened
RECORDING = {
    "id": "b9ad642e",
    "title": "LAX",
    "length": 237000,
    "first-release-date": "2003",
    "artist-credit": [{"name": "Big Brovaz", "artist": {"id": "f20"}}],
    "isrcs": ["GBBKS0300011"],
    "genres": [{"name": "pop", "count": 2}],
    "rating": {"value": 4.5, "votes-count": 2},
    "releases": [{"title": "We Wanna Thank You"}],
}


def read(name: str, response: Response, page: Page | None = None) -> PageResult:
    settings = load_settings([CONF / "crawl" / f"{name}.toml"], ["crawl.contact=me@example.org"]).crawl
    return Reader(make_plan(settings, DS)).read(page or Page(response.url), response, datetime(2025, 1, 6, tzinfo=UTC))


def records(result: PageResult) -> list[dict[str, Any]]:
    return [json.loads(record.line) for record in result.records]


def html(url: str, body: str) -> HtmlResponse:
    return HtmlResponse(url, body=body.encode(), encoding="utf-8")


def api(url: str, answer: Any) -> TextResponse:
    return TextResponse(url, body=json.dumps(answer).encode(), encoding="utf-8")


def test_an_album_comes_with_every_review_and_without_who_wrote_it():
    page = html("https://music.example/album/a1", f'<script type="application/ld+json">{json.dumps(ALBUM)}</script>')
    found = records(read("schema-org", page))
    assert [(record["entity_type"], record["id"]) for record in found] == [
        ("MusicAlbum", "a1"), ("Review", "https://music.example/review/3"), ("Review", "https://music.example/review/5"),
    ]  # fmt: skip
    assert (found[0]["artist"], found[0]["tracks"]) == ("The Owls", ["One", "Two"])
    assert (found[2]["item"], found[2]["rating"], found[2]["text"]) == ("a1", 5, "text 5")
    assert "nobody" not in json.dumps(found)


def test_the_rating_of_an_artist_is_read_from_microdata():
    body = (
        '<div itemscope itemtype="https://schema.org/MusicGroup"><h1 itemprop="name">The Owls</h1>'
        '<div itemprop="aggregateRating" itemscope itemtype="https://schema.org/AggregateRating">'
        '<span itemprop="ratingValue">4.2</span></div></div>'
    )
    [record] = records(read("schema-org", html("https://music.example/artist/owls", body)))
    assert (record["id"], record["name"], record["rating"]) == ("owls", "The Owls", "4.2")


def test_a_recording_of_musicbrainz_keeps_the_id_that_was_asked_for():
    url = "https://musicbrainz.org/ws/2/recording/b9ad642e?fmt=json"
    [record] = records(read("musicbrainz", api(url, RECORDING)))
    assert (record["id"], record["title"], record["artist"]) == ("b9ad642e", "LAX", ["Big Brovaz"])
    assert (record["genre"], record["album"], record["duration_ms"]) == (["pop"], "We Wanna Thank You", 237000)


def test_a_paged_api_gives_its_records_and_the_next_page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MUSIC_API_KEY", "key-of-the-tests")
    url = "https://api.music.example/v1/tracks?page_size=100"
    tracks = [{"id": 1, "title": "A", "artist": {"name": "Owls"}}, {"id": 2, "title": "B"}]
    result = read("paged-api", api(url, {"tracks": tracks, "next_page_token": "t2"}))
    assert [(record["id"], record["title"]) for record in records(result)] == [("1", "A"), ("2", "B")]
    assert [page.url for page in result.pages] == [f"{url}&page_token=t2"]
