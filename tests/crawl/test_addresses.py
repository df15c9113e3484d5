"""Hosts are compared in one form, sitemaps are read in every format, and links outside are counted."""

from __future__ import annotations

import codecs
import gzip
from datetime import date

import pytest

from bgmrec.config.crawl import CrawlSettings
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.plan import make_plan
from bgmrec.crawl.results import SITEMAP, NewPage, OutsideLinks, Page, PageResult
from bgmrec.crawl.seeds import seeds
from bgmrec.crawl.sitemaps import listed
from bgmrec.crawl.urls import Scope, ascii_host, host_of, same_page_key, with_ascii_host
from tests.crawl.test_pages import HOST, SCHEMA, TRACKS, answer, html, read, sitemap

A, B = f"{HOST}/track/1", f"{HOST}/track/2"
PUNYCODE = "xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("host", "form"),
    [
        ("bücher.example", PUNYCODE),
        ("BÜCHER.Example.", PUNYCODE),
        ("b%C3%BCcher.example", PUNYCODE),
        ("bu\u0308cher.example", PUNYCODE),
        ("XN--BCHER-KVA.example", PUNYCODE),
        ("例え。jp", "xn--r8jz45g.jp"),
        ("faß.example", "xn--fa-hia.example"),  # as browsers do; IDNA 2003 makes fass of it, another host
        ("bü_cher.example", "xn--b_cher-3ya.example"),
        ("my_host.example", "my_host.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("ü" * 80, "ü" * 80),
    ],
)
def test_a_host_has_one_form(host, form):
    assert ascii_host(host) == form and ascii_host(form) == form


@pytest.mark.parametrize("setting", ["bücher.example", PUNYCODE, "Bücher.example."])
@pytest.mark.parametrize("host", ["bücher.example", PUNYCODE, "www.BÜCHER.example", "b%c3%bccher.example."])
def test_allowed_hosts_and_addresses_may_be_written_differently(setting, host):
    assert Scope([setting]).refusal(f"https://{host}/track/1") is None
    assert Scope([setting]).refusal("https://bucher.example/") == "offsite"


def test_an_address_is_brought_into_the_form_and_nothing_else_changes():
    assert with_ascii_host("HTTPS://Bücher.example:443/Ä?q=ü#F") == f"https://{PUNYCODE}/Ä?q=ü#F"
    assert with_ascii_host("http://bücher.example:8080") == f"http://{PUNYCODE}:8080"
    for url in ("http://[::1]:80/", "mailto:a@bücher.example", "http://[broken/", "http://a:port/", "/track/1", ""):
        assert with_ascii_host(url) == url
    assert NewPage("http://bücher.example/a").url == f"http://{PUNYCODE}/a"
    assert host_of("http://[broken/") == "" and same_page_key("http://[broken/") == "http://[broken/"


def test_a_page_is_one_page_however_its_host_is_written(tmp_path):
    frontier = Frontier(tmp_path / "f.sqlite")
    frontier.seed(
        NewPage(url) for url in ("http://bücher.example/1", f"http://{PUNYCODE}:80/1", "http://BÜCHER.example./1")
    )
    assert frontier.unfinished() == {PUNYCODE: 1}


def test_links_and_sitemaps_to_an_international_host_are_followed():
    body = "".join(f'<a href="{url}">x</a>' for url in ("http://bücher.example/track/7", "http://faß.example/track/8"))
    hosts = {"hosts": ["bücher.example", "faß.example", "music.example"], "follow": {"allow": ["/track/"]}}
    expected = [f"http://{PUNYCODE}/track/7", "http://xn--fa-hia.example/track/8"]
    assert [page.url for page in read(html(body), SCHEMA, **hosts).pages] == expected
    xml = "<urlset><url><loc>http://bücher.example/track/7</loc></url></urlset>".encode()
    found = read(html(xml.decode()), SCHEMA, Page(f"{HOST}/s.xml", SITEMAP), **hosts)
    assert [page.url for page in found.pages] == expected[:1]


RSS = f"""<?xml version="1.0"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel>
<title>news</title><link>{HOST}/</link><atom:link rel="self" href="{HOST}/feed"/>
<item><title>a</title><link> {A} </link><guid>{HOST}/?p=1</guid></item>
<item><title>b</title><guid isPermaLink="true">{B}</guid></item>
<item><title>c</title><guid isPermaLink="false">{HOST}/none</guid></item></channel></rss>"""
RDF = f"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
<channel rdf:about="x"><link>{HOST}/</link></channel><item><link>{A}</link></item><item><link>{B}</link></item>
</rdf:RDF>"""
ATOM = f"""<feed xmlns="http://www.w3.org/2005/Atom"><link href="{HOST}/"/><link rel="self" href="{HOST}/feed"/>
<entry><link rel="enclosure" href="{HOST}/x.mp3"/><link rel="alternate" href="/track/1"/></entry>
<entry><id>urn:x</id><link href="{B}"/></entry><entry><id>urn:y</id></entry></feed>"""
XML = f"""<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml">
<url><xhtml:link rel="alternate" hreflang="de" href="{HOST}/de"/><loc>
{A}</loc></url><url><loc><![CDATA[{B}]]></loc></url></urlset>"""
SITEMAPS = {
    "text": f"{A}\n{B}\n",
    "text with carriage returns, blanks and blank lines": f"\r\n  {A}\r\n\r\n\t{B} \r\n",
    "text with a comment": f"# pages\n{A}\n{B}",
    "XML": XML,
    "XML after blank lines": f"\n\n  <?xml version='1.0'?>{XML}",
    "XML without a namespace": f"<urlset><url><loc>{A}</loc></url><url><loc>{B}</loc></url></urlset>",
    "XML cut off": XML.removesuffix("</urlset>"),
    "RSS": RSS,
    "RSS 1.0": RDF,
    "Atom": ATOM,
}


@pytest.mark.parametrize("name", SITEMAPS)
def test_a_sitemap_is_read_in_every_format(name):
    body = SITEMAPS[name].encode()
    for packed in (body, gzip.compress(body), codecs.BOM_UTF8 + body):
        found = sitemap(packed)
        assert (found.outcome, [page.url for page in found.pages]) == ("page", [A, B])
    assert [page.url for page in sitemap(body, sitemap_allow=["/track/2"]).pages] == [B]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_sitemap_in_utf_16_is_read(encoding):
    for text in (f"{A}\n{B}", f"<urlset><url><loc>{A}</loc></url><url><loc>{B}</loc></url></urlset>"):
        mark = "" if encoding == "utf-16" else "\ufeff"
        assert listed((mark + text).encode(encoding)) == (False, [A, B])


@pytest.mark.parametrize("body", ["<html><p>not found</p></html>", "no address\nat all", "<", "<?xml ?>", "{}", "\x00"])
def test_what_is_no_sitemap_is_an_error(body):
    found = sitemap(body.encode())
    assert found.outcome == "not readable" and found.detail.startswith("no sitemap: ")


def test_links_outside_are_counted_by_host():
    outside = "http://other.example/track/1"
    body = f'<a href="{outside}">1</a><a href="{outside}?b">2</a><a href="/track/9">9</a><a href="http://ads.example/">ad</a>'
    follow = {"allow": ["/track/"]}
    found = read(html(body), SCHEMA, follow=follow)
    assert found.outside == (OutsideLinks("offsite", "other.example", 2),) and len(found.pages) == 1
    assert sitemap(f"{outside}\n{A}\nhttp://[broken/\n".encode()).outside == (
        OutsideLinks("offsite", "other.example", 1), OutsideLinks("broken address", "", 1),
    )  # fmt: skip
    named = read(answer({"more": [outside, "/track/9"]}), TRACKS, follow={"json_urls": ["more"]})
    assert [links.links for links in named.outside] == [1]


def test_the_links_of_a_page_count_once_however_often_it_is_fetched(tmp_path):
    frontier = Frontier(tmp_path / "f.sqlite")
    frontier.seed([NewPage(A), NewPage(B)])
    for _ in range(2):
        page = frontier.take("music.example")
        frontier.finish(page, PageResult("no record", 200, outside=(OutsideLinks("offsite", "o.example", 3),)))
        frontier.retry([page.id])
    assert frontier.outside_links() == [("offsite", "o.example", 3)]


def test_a_start_page_that_is_refused_is_a_page_with_an_outcome(tmp_path):
    settings = {
        "name": "site", "contact": "me@example.org", "hosts": ["music.example"],
        "start": {"lists": [{"url": "http://{value}.example/", "values": ["music", "other"]}]},
        "records": [{"entity_type": "Track", "css": {"title": "h1::text"}}],
    }  # fmt: skip
    with pytest.raises(Exception, match="start page is not allowed"):
        make_plan(CrawlSettings.model_validate(settings), date(2025, 1, 6))
    settings["start"] = {"lists": [{"url": f"{HOST}/{{value}}", "values": ["a", "b" * 3000]}]}
    plan = make_plan(CrawlSettings.model_validate(settings), date(2025, 1, 6))
    frontier = Frontier(tmp_path / "f.sqlite")
    frontier.seed(seeds(plan, str), plan.scope.refusal)
    assert frontier.outcomes() == {"suspicious address": 1} and frontier.waiting == {"music.example": 1}
