"""What one page gives: records by every notation, further pages, and nothing that it should not."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from scrapy.http import HtmlResponse, Response, TextResponse

from bgmrec.config.crawl import CrawlSettings
from bgmrec.crawl.pages import Reader
from bgmrec.crawl.plan import make_plan
from bgmrec.crawl.results import SITEMAP, Page, PageResult
from bgmrec.runtime.pseudonyms import KEY_VARIABLE, pseudonymizer

HOST = "http://music.example"
AT = datetime(2025, 1, 6, 3, 4, 5, tzinfo=UTC)
KEY = "a key of the tests, long enough"


def read(response: Response, rule: dict[str, Any], page: Page | None = None, **sections: Any) -> PageResult:
    settings = CrawlSettings.model_validate(
        {
            "name": "site",
            "contact": "me@example.org",
            "hosts": ["music.example"],
            "start": {"urls": [HOST]},
            "records": [{"entity_type": "T", **rule}],
            **sections,
        }
    )
    return Reader(make_plan(settings, date(2025, 1, 6))).read(page or Page(response.url), response, AT)


def html(body: str, path: str = "/track/1") -> HtmlResponse:
    return HtmlResponse(HOST + path, body=body.encode(), encoding="utf-8")


def answer(value: Any, path: str = "/api") -> TextResponse:
    return TextResponse(HOST + path, body=json.dumps(value).encode(), encoding="utf-8")


def script(item: Any) -> str:
    return f'<script type="application/ld+json">{json.dumps(item)}</script>'


def fields(result: PageResult) -> list[dict[str, Any]]:
    common = {"url", "status", "fetched_at", "source", "entity_type"}
    records = [json.loads(record.line) for record in result.records]
    return [{name: value for name, value in record.items() if name not in common} for record in records]


SCHEMA = {"types": ["MusicRecording"], "schema_fields": {"id": "identifier", "title": "name", "genre": "genre"}}


def test_a_record_says_where_it_came_from():
    [record] = read(html(script({"@type": "MusicRecording", "identifier": 7, "name": "A"})), SCHEMA).records
    assert json.loads(record.line) == {
        "url": f"{HOST}/track/1", "status": 200, "fetched_at": "2025-01-06T03:04:05Z", "source": "site",
        "entity_type": "T", "id": "7", "title": "A",
    }  # fmt: skip


@pytest.mark.parametrize(
    "item",
    [
        {"@type": "https://schema.org/MusicRecording", "identifier": "1", "name": "A"},
        {"@type": ["Thing", "schema:MusicRecording"], "identifier": ["1"], "name": "A"},
        {"@graph": [{"@type": "WebPage"}, {"@type": "MusicRecording", "identifier": {"value": "1"}, "name": "A"}]},
        [{"@type": "WebPage", "mainEntity": {"@type": "MusicRecording", "identifier": "1", "name": "A"}}],
    ],
)
def test_json_ld_is_found_however_it_is_wrapped(item):
    assert fields(read(html(script(item)), SCHEMA)) == [{"id": "1", "title": "A"}]


def test_each_field_comes_from_the_first_notation_that_has_it():
    body = (
        script({"@type": "MusicRecording", "identifier": "1", "name": "JSON-LD"})
        + '<div itemscope itemtype="https://schema.org/MusicRecording"><b itemprop="identifier">1</b>'
        '<b itemprop="name">microdata</b><b itemprop="genre">microdata</b></div>'
        '<p class="mood">css</p><i>xpath</i>'
    )
    rule = {
        **SCHEMA,
        "css": {"title": "p::text", "mood": ".mood::text"},
        "xpath": {"mood": "//i/text()", "bpm": "//i/text()"},
    }
    assert fields(read(html(body), rule)) == [
        {"id": "1", "title": "JSON-LD", "genre": "microdata", "mood": "css", "bpm": "xpath"}
    ]


def test_what_a_page_only_mentions_is_not_mixed_in_and_counts_where_all_are_wanted():
    own = {"@type": "MusicRecording", "identifier": "1", "name": "own"}
    other = {"@type": "MusicRecording", "identifier": "2", "name": "other", "genre": "pop"}
    body = script({**own, "isRelatedTo": [other]})
    assert fields(read(html(body), SCHEMA)) == [{"id": "1", "title": "own"}]
    assert [one["id"] for one in fields(read(html(body), {**SCHEMA, "many": True}))] == ["1", "2"]


def test_ids_come_from_the_list_then_the_page_then_the_address():
    rule = {"css": {"title": "h1::text"}, "id_from_url": "/track/([^/?]+)"}
    page = html("<h1>A</h1>", "/track/m%202")
    assert fields(read(page, rule))[0]["id"] == "m 2"
    assert fields(read(page, rule, Page(page.url, entity_id="known")))[0]["id"] == "known"
    assert read(html("<h1>A</h1>", "/other"), rule).outcome == "page"  # without an id there is no record


def test_a_page_that_should_hold_a_record_and_does_not_is_counted():
    result = read(html("<h1>new layout</h1>"), {**SCHEMA, "pages": "/track/"})
    assert (result.outcome, result.expected, result.extracted) == ("no record", ("T 0",), ())
    assert read(html("<h1>news</h1>", "/news"), {**SCHEMA, "pages": "/track/"}).outcome == "page"


def test_a_hashed_id_leaves_no_trace_in_the_address(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    shown = pseudonymizer(KEY)("1")
    rule = {"css": {"title": "h1::text"}, "id_from_url": "/user/([^/?]+)", "hash_id": True}
    result = read(html("<h1>A</h1>", "/user/1?u=1"), rule, politeness={"cache_days": 0})
    assert json.loads(result.records[0].line)["url"] == f"{HOST}/user/{shown}?u={shown}"


TRACKS = {"json_items": "tracks[]", "json_fields": {"id": "id", "title": "title"}}


def test_pages_of_an_api_follow_one_another_by_token_and_by_address():
    value = {"tracks": [{"id": 1, "title": "A"}, {"id": 2}], "next": "a b", "links": {"next": "/api?page=2"}}
    by_token = read(
        answer(value, "/api?page_token=old&n=2"), TRACKS, paging={"json_token": "next", "parameter": "page_token"}
    )
    assert fields(by_token) == [{"id": "1", "title": "A"}]  # an id alone is no record
    [new] = by_token.pages
    assert (new.url, new.list_page) == (f"{HOST}/api?n=2&page_token=a+b", 2)
    [new] = read(answer(value), TRACKS, paging={"json_url": "links.next"}).pages
    assert new.url == f"{HOST}/api?page=2"
    last = Page(f"{HOST}/api", list_page=3)
    assert not read(answer(value), TRACKS, last, paging={"json_url": "links.next", "pages": 3}).pages


def test_links_are_followed_by_rule_depth_and_host():
    body = (
        '<a href="/track/2?utm_source=x&a=1">2</a><a href="/cart/track/3">3</a><a href="http://other.example/track/4">4</a>'
        '<nav><a href="/track/5">5</a></nav><a class="next" href="?page=2">next</a>'
    )
    follow = {"allow": ["/track/"], "deny": ["/cart", "page="], "drop_parameters": ["utm_source"], "depth": 2}
    found = read(html(body), SCHEMA, follow=follow, paging={"css": "a.next::attr(href)"}).pages
    assert [(page.url, page.depth) for page in found] == [
        (f"{HOST}/track/1?page=2", 0), (f"{HOST}/track/2?a=1", 1), (f"{HOST}/track/5", 1),
    ]  # fmt: skip
    inside = read(html(body), SCHEMA, follow={**follow, "restrict_css": ["nav"]}).pages
    assert [page.url for page in inside] == [f"{HOST}/track/5"]
    assert not read(html(body), SCHEMA, Page(f"{HOST}/track/1", depth=2), follow=follow).pages
    named = read(
        answer({"items": [{"href": "/track/9"}, {"href": None}, {}]}), TRACKS, follow={"json_urls": ["items[].href"]}
    )
    assert [page.url for page in named.pages] == [f"{HOST}/track/9"]


def sitemap(body: bytes, page: Page | None = None, **start: Any) -> PageResult:
    page = page or Page(f"{HOST}/sitemap.xml", SITEMAP)
    start = {"sitemaps": [f"{HOST}/sitemap.xml"], **start}
    return read(Response(page.url, body=body), SCHEMA, page, start=start)


def test_sitemaps_list_pages_and_sitemaps_and_read_no_files():
    entries = "".join(
        f"<url><loc>{url}</loc></url>" for url in (f"{HOST}/track/1", f"{HOST}/news", "http://o.example/")
    )
    xml = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()
    assert [page.url for page in sitemap(xml).pages] == [f"{HOST}/track/1", f"{HOST}/news"]
    assert [page.url for page in sitemap(gzip.compress(xml), sitemap_allow=["/track/"]).pages] == [f"{HOST}/track/1"]
    index = f"<sitemapindex><sitemap><loc>{HOST}/more.xml</loc></sitemap></sitemapindex>".encode()
    assert [(page.kind, page.depth) for page in sitemap(index).pages] == [(SITEMAP, 1)]
    assert sitemap(index, Page(f"{HOST}/x.xml", SITEMAP, depth=3)).outcome == "not readable"
    evil = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><urlset><url><loc>http://music.example/&f;</loc></url></urlset>'
    assert all(page.url == f"{HOST}/" for page in sitemap(evil).pages)
    assert sitemap(b"no xml at all").outcome == "not readable"
    assert sitemap(b"").outcome == "not readable"


@pytest.mark.parametrize(
    "response",
    [
        html(""),
        html("\x00<html><h1>\x00</h1>"),
        html('<script type="application/ld+json">null</script><script type="application/ld+json">[[[1]]]</script>'),
        html(script({"@type": None, "name": 1}) + script({"@type": {"x": 1}}) + script("text")),
        html("<div itemscope itemref='a b c' id='a'><div itemscope itemref='a' id='b'></div></div>"),
        answer(None), answer([]), answer("text"), answer(7),
        TextResponse(HOST, body=b"\xff\xfe{\x00", encoding="utf-8"),
        Response(HOST, body=b"\x00" * 100),
    ],
)  # fmt: skip
def test_odd_pages_give_nothing_and_raise_nothing(response):
    result = read(response, {**SCHEMA, **TRACKS, "css": {"other": "h7::text"}})
    assert not result.records
