"""JSON-LD is found and read as search engines read it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from scrapy.http import Headers
from scrapy.responsetypes import responsetypes

from bgmrec.crawl.graph import Graph
from tests.crawl.test_pages import HOST, SCHEMA, fields, html, read, script

TRACK = {"@type": "MusicRecording", "identifier": "1", "name": "A"}
TEXT = json.dumps(TRACK)
FOUND = [{"id": "1", "title": "A"}]
ARTIST = {
    "types": ["MusicRecording"],
    "schema_fields": {
        "id": "identifier",
        "title": "name",
        "artist": "byArtist.name",
        "artist_id": "byArtist.identifier",
    },
}  # fmt: skip


def typed(text: str, media_type: str = "application/ld+json") -> str:
    return f'<script type="{media_type}">{text}</script>'


def tracks(*items: Any, rule: dict[str, Any] = SCHEMA) -> list[dict[str, Any]]:
    """The records of a page with a script for each item."""
    return fields(read(html("".join(map(script, items))), rule))


@pytest.mark.parametrize(
    "media_type",
    ["application/ld+json; charset=utf-8", "APPLICATION/LD+JSON", " application/ld+json\n", "Application/Ld+Json;x=y"],
)
def test_the_media_type_may_have_parameters_blanks_and_any_case(media_type):
    assert fields(read(html(typed(TEXT, media_type)), SCHEMA)) == FOUND


@pytest.mark.parametrize("media_type", ["application/json", "text/javascript", "", "application/ld+jsonp"])
def test_other_scripts_are_no_json_ld(media_type):
    assert fields(read(html(typed(TEXT, media_type)), SCHEMA)) == []


@pytest.mark.parametrize(
    "wrapped",
    [
        "{};",
        "{} ; \n",
        "\ufeff{}",
        "\n\ufeff {}",
        "<!--\n{}\n-->",
        "<!-- {} -->",
        "<!-- SEO plugin -->\n{}",
        "//<![CDATA[\n{}\n//]]>",
        "// <![CDATA[\n{};\n// ]]>",
        "<![CDATA[{}]]>",
        "/*<![CDATA[*/{}/*]]>*/",
        "/* <![CDATA[ */ {} /* ]]> */",
        "<!--//--><![CDATA[//><!--\n{}\n//--><!]]>",
        "// generated\n{}",
        "/* generated [2] {{x}} */{}",
        "{}\n// end",
        "\u00a0{}\u200b",
    ],
)
def test_marks_around_the_json_are_no_part_of_it(wrapped):
    assert fields(read(html(typed(wrapped.replace("{{x}}", "x").replace("{}", TEXT))), SCHEMA)) == FOUND


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace('"', "&quot;"),
        TEXT.replace('"', "&#34;"),
        f"<!--{TEXT.replace(chr(34), '&quot;')}-->",
        TEXT.replace('"', '\\"'),
        json.dumps(TEXT),
        TEXT.replace("}", ",}"),
        '{"@type": "MusicRecording", /* an id */ "identifier": "1", // the name\n "name": "A",}',
        TEXT.replace('"A"', '"A"\n'),
        TEXT.replace(", ", ",\t\n"),
    ],
)
def test_escaped_and_commented_json_is_read(text):
    assert fields(read(html(typed(text)), SCHEMA)) == FOUND


def test_several_objects_in_one_script_and_raw_line_breaks_in_texts_are_read():
    second = '{"@type": "MusicRecording", "identifier": "2", "name": "B\nC"}'
    found = fields(read(html(typed(f"{TEXT}\n{second};")), {**SCHEMA, "many": True}))
    assert found == [*FOUND, {"id": "2", "title": "B\nC"}]


def test_slashes_and_marks_inside_texts_stay():
    item = {**TRACK, "name": 'http://a//b /* c */ <!-- d --> ]]> , } "e"; &amp;'}
    assert tracks(item)[0]["title"] == item["name"]
    assert fields(read(html(typed(json.dumps(item)[:-1] + ",}")), SCHEMA))[0]["title"] == item["name"]


@pytest.mark.parametrize(
    "media_type", ["application/ld+json", "application/ld+json; charset=utf-8", "application/json"]
)
def test_json_ld_that_is_an_answer_of_its_own_is_read(media_type):
    headers, body = (
        {"Content-Type": media_type},
        json.dumps({"@graph": [RELATED, {**TRACK, "url": "/track/1"}]}).encode(),
    )
    kind = responsetypes.from_args(headers=Headers(headers), url=f"{HOST}/track/1", body=body)
    answer = kind(f"{HOST}/track/1", headers=headers, body=body)
    assert fields(read(answer, SCHEMA)) == FOUND
    assert len(fields(read(answer, {**SCHEMA, "many": True}))) == 2


ARTIST_NODE = {"@type": "MusicGroup", "@id": "#artist", "identifier": "ar1", "name": "Graph Artist"}
WITH_ARTIST = [{"id": "1", "title": "A", "artist": "Graph Artist", "artist_id": "ar1"}]


@pytest.mark.parametrize("reference", ["#artist", f"{HOST}/track/1#artist", "/track/1#artist"])
def test_references_are_resolved_inside_a_graph_and_across_blocks(reference):
    track = {**TRACK, "byArtist": {"@id": reference}}
    assert tracks({"@graph": [track, ARTIST_NODE]}, rule=ARTIST) == WITH_ARTIST
    assert tracks({"@graph": [ARTIST_NODE, track]}, rule=ARTIST) == WITH_ARTIST
    assert tracks(track, ARTIST_NODE, rule=ARTIST) == WITH_ARTIST
    assert tracks(track, {"@type": "WebPage", "about": [ARTIST_NODE]}, rule=ARTIST) == WITH_ARTIST


def test_an_object_has_the_properties_of_all_its_places_and_the_first_place_wins():
    first = {"@type": "MusicRecording", "@id": "#t", "name": "A", "byArtist": {"@id": "#artist", "name": "Inline"}}
    second = {"@id": "#t", "identifier": "1", "name": "other"}
    found = tracks(first, second, ARTIST_NODE, rule=ARTIST)
    assert found == [{"id": "1", "title": "A", "artist": "Inline", "artist_id": "ar1"}]
    assert len(tracks(first, {**second, "@type": "MusicRecording"}, rule={**ARTIST, "many": True})) == 1


def test_objects_of_different_types_at_one_address_stay_apart():
    page = {"@type": "WebPage", "@id": "#x", "name": "A | Site"}
    assert tracks(page, {**TRACK, "@id": "#x"}) == FOUND


def test_blank_nodes_are_resolved_and_are_no_ids():
    track = {"@type": "MusicRecording", "@id": "_:b0", "name": "A", "byArtist": {"@id": "_:b1"}}
    rule = {**ARTIST, "schema_fields": {**ARTIST["schema_fields"], "id": '"@id" || byArtist.identifier'}}
    found = tracks({"@graph": [track, {**ARTIST_NODE, "@id": "_:b1"}]}, rule=rule)
    assert found == [{"id": "ar1", "title": "A", "artist": "Graph Artist", "artist_id": "ar1"}]


def test_an_id_within_the_page_gets_the_address_of_the_page():
    rule = {**SCHEMA, "schema_fields": {"id": '"@id"', "title": "name"}}
    assert tracks({**TRACK, "@id": "#t"}, rule=rule)[0]["id"] == f"{HOST}/track/1#t"
    assert tracks({**TRACK, "@id": "t7"}, rule=rule)[0]["id"] == "t7"


def test_a_reference_that_leads_nowhere_is_no_name():
    assert tracks({**TRACK, "byArtist": {"@id": "#nobody"}}, rule=ARTIST) == FOUND
    rule = {**SCHEMA, "schema_fields": {**SCHEMA["schema_fields"], "link": "url"}}
    assert tracks({**TRACK, "url": {"@id": "https://x.example/1"}}, rule=rule)[0]["link"] == "https://x.example/1"


def test_cycles_end_and_do_not_multiply():
    artist = {**ARTIST_NODE, "track": [{"@id": "#t"}] * 500, "member": {"@id": "#artist"}}
    track = {**TRACK, "@id": "#t", "byArtist": [{"@id": "#artist"}] * 500}
    deep = {"deep": "byArtist.track.byArtist.track.name", "whole": "byArtist[0]"}
    rule = {**SCHEMA, "schema_fields": {**SCHEMA["schema_fields"], **deep}}
    began = time.process_time()
    [found] = tracks({"@graph": [track, artist]}, rule=rule)
    assert time.process_time() - began < 5
    assert found["title"] == "A" and len(found["deep"]) == 10_000 and len(json.dumps(found["whole"])) < 50_000


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"@value": "月亮", "@language": "zh"}, "月亮"),
        ([{"@value": "月亮", "@language": "zh"}], "月亮"),
        ([{"@value": "Moon", "@language": "en"}, {"@value": "月亮", "@language": "zh"}], "Moon"),
        ({"@list": ["a", "b"]}, ["a", "b"]),
        ({"@set": ["a", {"@value": "b"}]}, ["a", "b"]),
        ({"@set": ["a"]}, "a"),
        ([{"@list": ["a"]}, "b"], ["a", "b"]),
        ({"@value": "2001", "@type": "xsd:gYear"}, "2001"),
        ({"@value": 7}, 7),
        (["A"], "A"),
        ({"@value": None}, None),
        ({"@list": []}, None),
    ],
)
def test_values_are_what_their_object_wraps(value, found):
    rule = {"types": ["MusicRecording"], "schema_fields": {"id": "identifier", "title": "name", "kept": "identifier"}}
    assert tracks({**TRACK, "name": value}, rule=rule)[0].get("title") == found


def test_of_a_text_in_several_languages_that_of_the_page_is_taken():
    name = [{"@value": "Moon", "@language": "en"}, {"@value": "月亮", "@language": "zh-Hans"}]
    page = f'<html lang="zh"><body>{script({**TRACK, "name": name})}</body></html>'
    assert fields(read(html(page), SCHEMA))[0]["title"] == "月亮"
    context = {"@vocab": "https://schema.org/", "name": {"@container": "@language"}}
    item = {"@context": context, **TRACK, "name": {"en": "Moon", "zh": ["月亮"]}}
    assert fields(read(html(f'<html lang="zh">{script(item)}</html>'), SCHEMA))[0]["title"] == "月亮"


PREFIXED = {"schema:name": "cp", "schema:identifier": "1", "@type": "schema:MusicRecording"}


@pytest.mark.parametrize(
    "item",
    [
        {"@context": {"schema": "https://schema.org/"}, **PREFIXED},
        {"@context": {"schema": {"@id": "http://schema.org/", "@prefix": True}}, **PREFIXED},
        PREFIXED,
        {"@context": {"s": "https://schema.org/"}, "s:name": "cp", "s:identifier": "1", "@type": "s:MusicRecording"},
        {"@context": ["https://x.example/c", {"s": "https://schema.org/"}],
         "s:name": "cp", "s:identifier": "1", "@type": ["x:Y", "s:MusicRecording"]},
        {"@context": {"@vocab": "https://schema.org/"}, "name": "cp", "identifier": "1", "@type": "MusicRecording"},
        {"@context": {"@vocab": "s:", "s": "http://schema.org/"},
         "name": "cp", "identifier": 1, "@type": "MusicRecording"},
        {"https://schema.org/name": "cp", "http://schema.org/identifier": "1",
         "@type": "https://schema.org/MusicRecording"},
        {"@context": {"label": "https://schema.org/name", "key": {"@id": "s:identifier"}, "s": "https://schema.org/",
                      "Song": "s:MusicRecording"}, "label": "cp", "key": "1", "@type": "Song"},
        {"@context": {"kind": "@type"}, "kind": "MusicRecording", "name": "cp", "identifier": "1"},
        {"@context": "https://schema.org", "type": "MusicRecording", "name": "cp", "identifier": "1"},
        {"@context": {"s": "https://schema.org/"}, "@graph": [
            {"@type": "s:MusicRecording", "s:name": {"@value": "cp"}, "s:identifier": {"s:value": "1"}}]},
        {"@context": {"dc": "http://purl.org/dc/terms/", "name": "dc:name"}, "name": "foreign", "schema:name": "cp",
         "identifier": "1", "@type": "MusicRecording"},
    ],
)  # fmt: skip
def test_names_are_those_of_schema_org_however_they_are_written(item):
    assert tracks(item) == [{"id": "1", "title": "cp"}]


def test_a_context_says_which_texts_are_references():
    context = {"@vocab": "https://schema.org/", "byArtist": {"@type": "@id"}}
    track = {"@context": context, **TRACK, "byArtist": "#artist"}
    assert tracks(track, ARTIST_NODE, rule=ARTIST) == WITH_ARTIST


@pytest.mark.parametrize(
    ("by", "artist"),
    [
        ("Owls", "Owls"),
        ({"name": "Owls"}, "Owls"),
        ([{"@type": "Person", "name": "Owls"}], "Owls"),
        ([{"name": "Owls"}, {"name": "Bats"}], ["Owls", "Bats"]),
        (["Owls", {"name": "Bats"}], ["Owls", "Bats"]),
        ({"@list": [{"name": "Owls"}, "Bats"]}, ["Owls", "Bats"]),
        ({"@type": ["Person", "MusicGroup"], "name": {"@value": "Owls"}}, "Owls"),
        ("https://x.example/artist/1", None),
        (None, None),
    ],
)
def test_a_person_or_group_is_an_object_several_or_plain_text(by, artist):
    assert tracks({**TRACK, "byArtist": by}, rule=ARTIST)[0].get("artist") == artist


def test_paths_written_for_lists_read_single_values_and_the_other_way_round():
    paths = {
        "id": "identifier", "all": "track[].name", "first": "track[0].name", "some": "track[:1].name",
        "mood": "additionalProperty[?name=='mood'].value | [0]", "names": "track.name",
    }  # fmt: skip
    rule = {"types": ["MusicAlbum"], "schema_fields": paths}
    one, two = {"name": "A"}, {"name": "B"}
    mood = {"name": "mood", "value": "soft"}
    single = {"@type": "MusicAlbum", "identifier": "1", "track": one, "additionalProperty": mood}
    [found] = tracks(single, rule=rule)
    assert found == {"id": "1", "all": ["A"], "first": "A", "some": ["A"], "mood": "soft", "names": "A"}
    [found] = tracks({**single, "track": [one, two], "additionalProperty": [two, mood]}, rule=rule)
    assert found == {"id": "1", "all": ["A", "B"], "first": "A", "some": ["A"], "mood": "soft", "names": ["A", "B"]}


RELATED = {"@type": "MusicRecording", "identifier": "2", "name": "related", "url": "/track/2"}
CANONICAL = '<link rel="canonical" href="/track/1">'


@pytest.mark.parametrize(
    "items",
    [
        [RELATED, {**TRACK, "url": "/track/1"}],
        [RELATED, {**TRACK, "url": f"{HOST}/track/1/"}],
        [RELATED, {**TRACK, "url": "https://MUSIC.example/track/1#top"}],
        [RELATED, {**TRACK, "@id": f"{HOST}/track/1"}],
        [{**RELATED, "@id": f"{HOST}/track/2#song"}, {**TRACK, "@id": f"{HOST}/track/1#song"}],
        [RELATED, {**TRACK, "mainEntityOfPage": f"{HOST}/track/1"}],
        [RELATED, {**TRACK, "mainEntityOfPage": {"@type": "WebPage", "@id": "/track/1"}}],
        [RELATED, {**TRACK, "mainEntityOfPage": True}],
        [RELATED, {"@type": "WebPage", "mainEntity": TRACK}],
        [RELATED, {"@type": "WebPage", "url": "/track/1", "mainEntity": {"@id": "#t"}}, {**TRACK, "@id": "#t"}],
        [{"@type": "ItemList", "itemListElement": [RELATED]}, {**TRACK, "url": {"@id": "/track/1"}}],
        [{"@graph": [RELATED, {**TRACK, "url": ["https://x.example/", "/track/1"]}]}],
        [{"@type": "WebPage", "url": "/track/2", "mainEntity": RELATED}, {"@type": "ItemPage", "mainEntity": TRACK}],
    ],
)
def test_the_main_entity_is_chosen_by_the_address_of_the_page_before_order(items):
    assert tracks(*items) == FOUND


def test_the_canonical_address_goes_before_the_requested_one():
    items = script({**RELATED, "url": "/track/1?ref=x"}) + script({**TRACK, "url": "/track/1"})
    assert fields(read(html(CANONICAL + items, "/track/1?ref=x"), SCHEMA)) == FOUND


def test_the_address_chooses_between_json_ld_and_microdata():
    microdata = (
        '<div itemscope itemtype="https://schema.org/MusicRecording"><b itemprop="identifier">1</b>'
        '<b itemprop="name">A</b><link itemprop="url" href="/track/1"></div>'
    )
    assert fields(read(html(script(RELATED) + microdata), SCHEMA)) == FOUND


def test_without_an_address_the_outer_and_first_object_is_the_main_entity():
    assert tracks({"@type": "WebPage", "about": RELATED}, TRACK) == FOUND


@pytest.mark.parametrize(
    "odd",
    [
        {"@id": 5}, {"@id": {}}, {"@type": None}, {"@type": [None, 3]}, {"@context": 7}, {"@context": [None, [[1]]]},
        {"@context": {"a": "b:c", "b": "a:d"}, "a": 1}, {"@context": {"name": None}}, {"@graph": 3}, {"@value": {}},
        {"@context": {"@vocab": "v:", "v": "v:"}}, {"byArtist": {"@id": "http://[x"}}, {"url": [[["/track/1"]]]},
        {"mainEntity": [1, "x", {"@id": None}]}, {"@list": {"a": 1}}, {"@language": 3},
    ],
)  # fmt: skip
def test_an_odd_value_costs_no_more_than_itself(odd):
    assert tracks({"@type": "MusicRecording", "about": odd}, odd, TRACK) == FOUND


def test_thousands_of_objects_and_deep_ones_take_no_time():
    deep: Any = {}
    for _ in range(500):
        deep = {"@type": "X", "isPartOf": [deep]}
    names = [f"t{n}" for n in range(20_000)]
    wide = [{"@context": {t: "schema:name"}, "@type": "X", "@id": f"#n{n % 7}", t: n} for n, t in enumerate(names)]
    began = time.process_time()
    assert Graph([TRACK, deep, wide], HOST).objects
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text",
    ["<!--" * 50_000, "//" * 50_000, "/*" * 50_000, "/* " * 50_000, "[" * 50_000, '{"a":' * 50_000, '"' * 50_001,
     "<!--//" * 20_000 + "{", "//<![CDATA[" * 20_000, '{"a": "' + "\\" * 100_001, "{},;" * 1000, "{/*" * 50_000,
     '"' + '\\"' * 50_000, "{} " + "<!--" * 50_000, ",  " * 50_000, "{" + ", " * 50_000, "[" + "," * 50_000 + "x"],
)  # fmt: skip
def test_broken_scripts_take_no_time(text):
    began = time.process_time()
    assert fields(read(html(typed(text) + script(TRACK)), SCHEMA)) == FOUND
    assert time.process_time() - began < 5
