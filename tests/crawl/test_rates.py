"""The extraction rate counts every page that a rule asked for; what a crawl lacks is fetched again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date

import pytest

from bgmrec.config.crawl import CrawlSettings
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.plan import make_plan
from bgmrec.crawl.rates import Coverage, coverage
from bgmrec.crawl.results import NewPage, PageResult, Pause
from bgmrec.runtime.pseudonyms import KEY_VARIABLE
from bgmrec.synthetic.site.pages import links
from bgmrec.synthetic.site.server import Answer, LoggedRequest
from tests.crawl.crawls import SMALL
from tests.crawl.hostile_site import moved, music
from tests.crawl.test_politeness import KEY, START, Pages, crawled, paths

HOST = "http://music.example"
RULE = "T 0"
N_BLOCKED = 8


@pytest.fixture
def frontier(tmp_path):
    return Frontier(tmp_path / "frontier.sqlite")


def covered(frontier: Frontier, paused: dict[str, Pause] | None = None) -> Coverage:
    settings = {
        "name": "site", "contact": "me@example.org", "hosts": ["music.example"], "start": {"urls": [HOST]},
        "records": [{"entity_type": "T", "pages": "/track/", "css": {"title": "h1::text"}}],
    }  # fmt: skip
    plan = make_plan(CrawlSettings.model_validate(settings), date(2025, 1, 6))
    return coverage(plan, frontier, paused or {})


def finished(frontier: Frontier, found: dict[str, PageResult] | None = None, **seeds: PageResult) -> None:
    """Finishes the start pages, and those that they lead to, by the last part of their addresses."""
    frontier.seed(NewPage(f"{HOST}/track/{name}") for name in seeds)
    results = {**seeds, **(found or {})}
    while (page := frontier.take("music.example")) is not None:
        frontier.finish(page, results[page.url.rsplit("/", 1)[1]])


GOOD = PageResult("record", 200, extracted=(RULE,))


def redirected(path: str) -> PageResult:
    return PageResult("redirected", 302, pages=(NewPage(f"{HOST}{path}", hops=1),))


def test_every_outcome_counts_with_its_reason(frontier):
    outcomes = ["http 403", "http 404", "http 503", "robots", "timeout", "unreachable", "too many redirects",
                "too large", "not text", "not readable", "no record", "offsite", "private address"]  # fmt: skip
    finished(frontier, good=GOOD, **{f"p{n}": PageResult(outcome) for n, outcome in enumerate(outcomes)})
    found = covered(frontier)
    count = found.rules[RULE]
    assert (count.pages, count.with_record) == (1 + len(outcomes), 1)
    assert dict(count.reasons) == dict.fromkeys(outcomes, 1)
    assert len(found.gaps) == len(outcomes)


def test_a_page_that_moved_counts_once_and_one_that_leads_to_a_wall_has_no_record(frontier):
    moves = {"old": redirected("/track/new"), "older": redirected("/track/new"), "walled": redirected("/login")}
    finished(frontier, {"login": PageResult("page", 200)}, new=GOOD, **moves)
    count = covered(frontier).rules[RULE]
    assert (count.pages, count.with_record) == (2, 1)
    assert dict(count.reasons) == {"redirected to a page of another kind": 1}


def test_pages_that_lead_to_an_error_count_and_what_only_they_lead_to_does_not(frontier):
    finished(frontier, a=redirected("/track/gone"), b=redirected("/track/gone"), gone=PageResult("http 410", 410))
    count = covered(frontier).rules[RULE]
    assert (count.pages, dict(count.reasons)) == (3, {"http 410": 3})  # gone was asked for, too
    finished(frontier, {"d": PageResult("http 404", 404)}, c=redirected("/track/d"))
    count = covered(frontier).rules[RULE]
    assert (count.pages, dict(count.reasons)) == (4, {"http 410": 3, "http 404": 1})


def test_redirects_that_lead_back_are_pages_without_a_record(frontier):
    there_and_back = {"b": redirected("/track/a"), "wall": redirected("/track/c")}
    finished(frontier, there_and_back, a=redirected("/track/b"), c=redirected("/wall"))
    count = covered(frontier).rules[RULE]
    assert (count.pages, dict(count.reasons)) == (2, {"redirect loop": 2})


def test_pages_of_a_host_that_had_to_be_left_alone_count_and_those_over_the_budget_do_not(frontier):
    frontier.seed([NewPage(f"{HOST}/track/1")])
    assert dict(covered(frontier, {"music.example": Pause("robots.txt was not available")}).rules[RULE].reasons) == {
        "deferred": 1
    }
    assert not covered(frontier, {"music.example": Pause("crawl.budget.bytes is used up", by_budget=True)}).rules


def test_ids_of_a_list_that_lead_to_one_page_have_a_record_each(frontier):
    frontier.seed([NewPage(f"{HOST}/track/{name}", entity_id=name) for name in ("m1", "m2")])
    for name in ("m1", "m2"):
        target = NewPage(f"{HOST}/track/new", hops=1, entity_id=name)
        frontier.finish(frontier.take("music.example"), PageResult("redirected", 301, pages=(target,)))
    assert [frontier.take("music.example").entity_id for _ in range(2)] == ["m1", "m2"]


def blocked(answers: dict[str, Answer | None], robots: str = "") -> Pages:
    """An index of ten pages below /block/, eight of which get the answer `bad` while it is there."""

    def route(request: LoggedRequest) -> Answer | None:
        if request.path == "/robots.txt":
            return Answer(body=robots.encode(), content_type="text/plain")
        if request.path == "/start":
            return Answer(body=links(f"/block/{n}" for n in range(10)).encode())
        if request.path.startswith("/block/"):
            number = int(request.path.rsplit("/", 1)[1])
            bad = answers["bad"] if number < N_BLOCKED else None
            return bad or Answer(body=music(f"m{number}", "a title"))
        if request.path == "/back":
            return moved("/block/0")
        return Answer(body=b"<html><p>accept cookies</p></html>") if request.path == "/wall" else None

    return route


class Slow:
    """A body that takes longer than the time-out, each time that it is sent."""

    def __iter__(self) -> Iterator[bytes]:
        time.sleep(0.7)
        yield b"late"


SOURCE = SMALL.replace('pages = "/music/"', 'pages = "/block/"') + START.replace("/music/", "/block/")
QUICK = ("crawl.politeness.retries=0", "crawl.politeness.timeout=0.5", "crawl.budget.page_bytes=100000")
REFUSED = {
    "403": (Answer(403), "http 403"),
    "404": (Answer(404), "http 404"),
    "500": (Answer(500), "http 500"),
    "cookie wall": (moved("/wall"), "redirected to a page of another kind"),
    "redirect to itself": (moved("?"), "too many redirects"),
    "redirect to one page": (moved("/block/0"), "8 × too many redirects"),
    "redirect to and fro": (moved("/back"), "8 × redirect loop"),
    "other host": (moved("http://elsewhere.example/"), "offsite"),
    "empty": (Answer(body=b""), "no record"),
    "picture": (Answer(202, b"\x89PNG\r\n\x1a\n" + bytes(64), "image/png"), "not text"),
    "time-out": (Answer(stream=Slow()), "timeout"),
    "too large": (Answer(body=b"x" * 200_000), "too large"),
    "long pause": (Answer(429, headers={"Retry-After": "7200"}), "deferred"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_pages_fail_the_job_and_the_same_date_can_be_crawled_again(tmp_path, kind):
    bad, reason = REFUSED[kind]
    answers: dict[str, Answer | None] = {"bad": bad}
    with crawled(tmp_path, blocked(answers), *QUICK, source=SOURCE) as (crawl, site):
        ended = crawl.run(check=False)
        assert ended.status == 4, ended.log
        assert "of 10 pages" in ended.log and reason in ended.log
        assert not crawl.result.exists()
        answers["bad"] = None
        before = len(site.log)
        crawl.run()
    assert {record["id"] for record in crawl.records()} == {f"m{n}" for n in range(10)}
    assert crawl.manifest()["extraction"] == {"MusicRecording 0": {"pages": 10, "with_record": 10, "rate": 1.0}}
    assert crawl.manifest()["gaps"] == 0 and not crawl.state.exists()
    assert "/block/9" not in paths(site)[before:] or kind == "long pause", "a page with its record was fetched again"


def test_pages_that_robots_txt_forbids_count(tmp_path):
    robots = "User-agent: *\n" + "".join(f"Disallow: /block/{n}\n" for n in range(N_BLOCKED))
    with crawled(tmp_path, blocked({"bad": None}, robots), *QUICK, source=SOURCE) as (crawl, _):
        ended = crawl.run(check=False)
    assert ended.status == 4 and "2 of 10 pages (8 × robots)" in ended.log


def test_a_crawl_that_was_published_with_gaps_is_filled_by_the_same_command(tmp_path):
    answers: dict[str, Answer | None] = {"bad": Answer(403)}
    with crawled(tmp_path, blocked(answers), *QUICK, "crawl.min_extraction_rate=0.2", source=SOURCE) as (crawl, site):
        crawl.run()
        manifest = crawl.manifest()
        assert (len(crawl.records()), manifest["gaps"]) == (2, N_BLOCKED)
        assert manifest["without_record"] == {"MusicRecording 0": {"http 403": N_BLOCKED}}
        answers["bad"] = None
        crawl.run()
        assert len(crawl.records()) == 10 and crawl.manifest()["runs"] == 2
        before = len(site.log)
        crawl.run()
        assert len(site.log) == before, "a complete crawl was repeated"


def test_with_hashed_ids_no_state_is_kept_and_the_gaps_are_filled_by_a_whole_crawl(tmp_path):
    answers: dict[str, Answer | None] = {"bad": Answer(403)}
    source = SOURCE.replace("css =", "hash_id = true\ncss =")
    with crawled(tmp_path, blocked(answers), *QUICK, "crawl.min_extraction_rate=0.2", source=source) as (crawl, _):
        crawl.environment[KEY_VARIABLE] = KEY
        crawl.run()
        assert not crawl.state.exists() and crawl.manifest()["gaps"] == N_BLOCKED
        answers["bad"] = None
        crawl.run()
    assert len(crawl.records()) == 10 and crawl.manifest()["gaps"] == 0


def test_links_outside_are_in_the_manifest(tmp_path):
    def route(request: LoggedRequest) -> Answer | None:
        if request.path == "/start":
            return Answer(body=links(["/music/1", "http://a.example/music/1", "http://a.example/music/2"]).encode())
        return Answer(body=music("m1", "a title")) if request.path == "/music/1" else None

    with crawled(tmp_path, route) as (crawl, _):
        crawl.run()
    outside = {"links": 2, "by_reason": {"offsite": 2}, "by_host": {"a.example": 2}}
    assert crawl.manifest()["links_outside"] == outside


def test_a_plain_text_sitemap_is_crawled(tmp_path):
    def route(request: LoggedRequest) -> Answer | None:
        if request.path == "/sitemap.txt":
            base = f"http://{request.headers['host']}"
            return Answer(body=f"{base}/music/1\r\n{base}/music/2\r\n".encode(), content_type="text/plain")
        return Answer(body=music(request.path[-1], "t")) if request.path.startswith("/music/") else None

    start = '[crawl.start]\nsitemaps = ["ADDRESS/sitemap.txt"]\n'
    with crawled(tmp_path, route, source=SMALL + start) as (crawl, _):
        crawl.run()
    assert {record["id"] for record in crawl.records()} == {"1", "2"}
