"""Checks of a source's settings, of addresses, raw values and Retry-After."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgmrec.config import Settings, load_settings
from bgmrec.config.crawl import CrawlSettings
from bgmrec.crawl.plan import make_plan
from bgmrec.crawl.politeness import retry_after
from bgmrec.crawl.resolver import is_public
from bgmrec.crawl.sanitize import clean, id_text, record_line
from bgmrec.crawl.urls import Scope, key_of, without_parameters
from bgmrec.errors import SettingsError
from bgmrec.run.state import fingerprint
from bgmrec.runtime.pseudonyms import pseudonymizer

CONF = Path(__file__).parents[2] / "conf"
DS = date(2025, 1, 6)
WHOLE = {
    "name": "site",
    "contact": "me@example.org",
    "hosts": ["music.example"],
    "start": {"urls": ["https://music.example/"]},
    "records": [{"entity_type": "Track", "css": {"title": "h1::text"}}],
}


@pytest.mark.parametrize("name", ["schema-org", "musicbrainz", "paged-api", "sample-site"])
def test_shipped_sources_are_whole_once_a_contact_is_given(name, monkeypatch):
    monkeypatch.setenv("MUSIC_API_KEY", "key-of-the-tests")
    files = [CONF / "base.toml", CONF / "crawl" / f"{name}.toml"]
    with pytest.raises(SettingsError) as caught:
        make_plan(load_settings(files).crawl, DS)
    assert caught.value.where == "crawl.contact"
    plan = make_plan(load_settings(files, ["crawl.contact=me@example.org"]).crawl, DS)
    assert plan.user_agent.endswith("( me@example.org )")


def test_musicbrainz_is_asked_less_than_once_a_second():
    settings = load_settings([CONF / "crawl" / "musicbrainz.toml"]).crawl
    assert settings.politeness.delay > 1.0 and settings.politeness.concurrency_per_host == 1


def test_what_is_crawled_by_day_changes_no_night():
    crawling = Settings.model_validate({"crawl": WHOLE, "frontier": {"limit": 5}})
    assert fingerprint(crawling) == fingerprint(Settings())


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"contact": None}, "crawl.contact"),
        ({"contact": "someone"}, "crawl.contact"),
        ({"hosts": []}, "crawl.hosts"),
        ({"records": []}, "crawl.records"),
        ({"start": {}}, "crawl.start"),
        ({"start": {"urls": ["ftp://music.example/"]}}, "crawl.start"),
        ({"start": {"urls": ["https://elsewhere.example/"]}}, "crawl.start"),
        ({"records": [{"entity_type": "T", "css": {"title": "h1::("}}]}, "crawl.records.0.css.title"),
        ({"records": [{"entity_type": "T", "xpath": {"title": "//["}}]}, "crawl.records.0.xpath.title"),
        ({"records": [{"entity_type": "T", "css": {"t": "b"}, "pages": "("}]}, "crawl.records.0.pages"),
        (
            {"records": [{"entity_type": "T", "json_items": "@", "json_fields": {"t": "a["}}]},
            "crawl.records.0.json_fields.t",
        ),
        ({"follow": {"allow": ["["]}}, "crawl.follow.allow"),
        ({"headers": {"X-Key": "${NOT_THERE_AT_ALL}"}}, "crawl.headers"),
        ({"headers": {"X-Api-Key": "as it is"}}, "crawl.headers.X-Api-Key"),
        ({"headers": {"User-Agent": "a browser"}}, "crawl.headers"),
    ],
)
def test_impossible_sources_are_refused_by_setting(change, where):
    make_plan(CrawlSettings.model_validate(WHOLE), DS)
    with pytest.raises(SettingsError) as caught:
        make_plan(CrawlSettings.model_validate({**WHOLE, **change}), DS)
    assert where in caught.value.where


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("[crawl.politeness]\ndelai = 1\n", "crawl.politeness.delai", "delay"),
        ("[crawl.budget]\nrequests = 0\n", "crawl.budget.requests", "whole number of at least 1"),
        ("[[crawl.records]]\nentity_type = 'T'\n", "crawl.records.0", "at least one field"),
        ("[[crawl.records]]\nentity_type = 'T'\ncss = { url = 'a' }\n", "crawl.records.0", "fields with other names"),
        ("[[crawl.start.lists]]\nurl = 'http://a/'\nvalues = ['x']\n", "crawl.start.lists.0", "{value}"),
        ("[crawl.paging]\njson_token = 'next'\n", "crawl.paging", "both or neither"),
        (
            "[crawl]\ndeny_fields = ['Email']\n[[crawl.records]]\nentity_type = 'T'\ncss = { email = 'a' }\n",
            "crawl",
            "email",
        ),
        (
            "[[crawl.records]]\nentity_type = 'T'\nhash_id = true\ncss = { t = 'a' }\n",
            "crawl",
            "politeness.cache_days = 0",
        ),
    ],
)
def test_impossible_settings_are_refused_with_file_and_key(tmp_path, text, key, told):
    path = tmp_path / "source.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings([CONF / "base.toml", path])
    assert str(path) in caught.value.where
    assert key in caught.value.message and told in caught.value.expected + caught.value.found


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
     "2002:7f00:1::1", "2001:0:7f00:1::80ff:fffe", "ff02::1", "::"],
)  # fmt: skip
def test_addresses_inside_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_addresses_outside_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("https://music.example/a", None),
        ("http://www.Music.example:8080/a", None),
        ("https://notmusic.example/", "offsite"),
        ("https://music.example.evil.example/", "offsite"),
        ("https://music.example@evil.example/", "suspicious address"),
        ("https://user:pass@music.example/", "suspicious address"),
        ("file:///etc/passwd", "not http"),
        ("data:text/html,x", "not http"),
        ("http://[broken/", "broken address"),
        ("http://music.example:port/", "broken address"),
        ("http:///nothing", "offsite"),
        ("https://music.example/" + "a" * 3000, "suspicious address"),
    ],
)
def test_the_scope_holds_hosts_and_subdomains_only(url, refusal):
    assert Scope(["music.example"]).refusal(url) == refusal


def test_one_page_has_one_key():
    assert key_of("http://a/p?b=2&a=1#x") == key_of("http://a/p?a=1&b=2")
    assert key_of("http://a/p?a=1") != key_of("http://a/p?a=2")
    assert without_parameters("http://a/p?utm_source=x&a=1", ["utm_source"]) == "http://a/p?a=1"


def test_retry_after_is_seconds_or_a_date():
    now = datetime(2025, 1, 6, 12, tzinfo=UTC)
    assert retry_after(b"120", now) == 120.0
    assert retry_after(b"Mon, 06 Jan 2025 12:00:30 GMT", now) == 30.0
    assert retry_after(b"Mon, 06 Jan 2025 11:00:00 GMT", now) == 0.0
    assert retry_after(b"soon", now) is None and retry_after(None, now) is None


def test_ids_are_read_from_text_numbers_and_property_values():
    assert [id_text(value) for value in (" a ", 7, {"@type": "PropertyValue", "value": "x"}, ["", "b"])] == [
        "a", "7", "x", "b",
    ]  # fmt: skip
    assert [id_text(value) for value in (None, "", True, 1.5, {}, [])] == [None] * 6
    # JSON makes no difference between 7, 7.0 and 7e0
    assert [id_text(value) for value in (7.0, 1e5, -0.0, 2**64, "7.0")] == ["7", "100000", "0", str(2**64), "7.0"]
    assert [id_text(value) for value in (2.0**53 + 2, float("nan"), float("inf"))] == [None] * 3


def test_denied_names_are_gone_at_any_depth():
    raw = {"Email": 1, "a": [{"https://schema.org/email": 2, "schema:EMAIL": 3, "b": {"email": 4, "c": 5}}]}
    assert clean(raw, {"email"}) == {"a": [{"b": {"c": 5}}]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_whatever_a_site_sends_becomes_one_line_of_utf8(value):
    line = record_line({"url": "u"}, {"field": clean(value, ())}, ())
    assert "\n" not in line and line.encode()


def test_bottomless_nesting_is_cut():
    value: list = []
    for _ in range(5000):
        value = [value]
    assert len(str(clean(value, ()))) < 100


def test_pseudonyms_depend_on_key_and_id_alone():
    first, second = pseudonymizer("a" * 16), pseudonymizer("b" * 16)
    assert first("u1") == first(" u1 ") != second("u1")
    # printf u1 | openssl dgst -sha256 -hmac aaaaaaaaaaaaaaaa | cut -c1-32
    assert first("u1") == "499f19d646b87d537a945fad36695c5d"
    for key in (None, "", "short"):
        with pytest.raises(SettingsError):
            pseudonymizer(key)
