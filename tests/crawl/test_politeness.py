"""Politeness, budgets, refused addresses and secrets, each against a small site and its log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from bgmrec.runtime.pseudonyms import KEY_VARIABLE, pseudonymizer
from bgmrec.synthetic.site.catalogue import SiteCatalogue
from bgmrec.synthetic.site.pages import links
from bgmrec.synthetic.site.server import Answer, LoggedRequest, Site, serving
from tests.crawl.crawls import SMALL, Crawl
from tests.crawl.hostile_site import music

NOBODY = SiteCatalogue({}, {}, {})
N_PAGES = 12
START = '[crawl.start]\nurls = ["ADDRESS/start"]\n[crawl.follow]\nallow = ["/music/"]\n'
KEY = "a key of the tests, long enough"

Pages = Callable[[LoggedRequest], Answer | None]


def plain(request: LoggedRequest) -> Answer | None:
    """A start page that links to some tracks."""
    if request.path == "/start":
        return Answer(body=f"<html><body>{links(f'/music/m{n}' for n in range(N_PAGES))}</body></html>".encode())
    if request.path.startswith("/music/"):
        return Answer(body=music(request.path.removeprefix("/music/"), "a title"))
    return None


def robots(text: str, status: int = 200) -> Pages:
    def route(request: LoggedRequest) -> Answer | None:
        if request.path == "/robots.txt":
            return Answer(status, text.encode(), "text/plain")
        return plain(request)

    return route


@contextmanager
def crawled(folder: Path, pages: Pages, *sets: str, source: str = SMALL + START) -> Iterator[tuple[Crawl, Site]]:
    site = Site(NOBODY, pages)
    with serving(site) as address:
        yield Crawl(folder, source, address, *sets), site


def gaps(site: Site) -> list[float]:
    times = [request.at for request in site.log]
    return [later - earlier for earlier, later in pairwise(times)]


def assert_delay(found: list[float], delay: float) -> None:
    """Sending is timed, arrival is measured: a busy machine may log one request late, and the next one no later."""
    assert sum(found) > len(found) * delay - 0.1
    assert median(found) > 0.95 * delay
    assert min(found) > 0.4 * delay, "two requests went out together"


def paths(site: Site) -> list[str]:
    return [request.path for request in site.log]


def test_the_delay_is_kept_between_all_requests(tmp_path):
    with crawled(tmp_path, plain, "crawl.politeness.delay=0.25", "crawl.politeness.concurrency_per_host=4") as (
        crawl,
        site,
    ):
        crawl.run()
    assert len(site.log) == 2 + N_PAGES
    assert_delay(gaps(site), 0.25)


def test_crawl_delay_of_robots_txt_is_kept(tmp_path):
    with crawled(tmp_path, robots("User-agent: bgmrec\nCrawl-delay: 0.3\n")) as (crawl, site):
        crawl.run()
    assert len(site.log) == 2 + N_PAGES
    assert_delay(gaps(site)[1:], 0.3)


def test_rules_for_this_crawler_win_over_those_for_all(tmp_path):
    text = "User-agent: *\nDisallow: /\n\nUser-agent: bgmrec\nDisallow: /music/m1\nAllow: /music/m11\n"
    with crawled(tmp_path, robots(text)) as (crawl, site):
        crawl.run()
    assert {path for path in paths(site) if path.startswith("/music/m1")} == {"/music/m11"}
    assert crawl.manifest()["pages_by_outcome"]["robots"] == 2


@pytest.mark.parametrize("status", [500, 503])
def test_no_page_is_fetched_while_robots_txt_is_unavailable(tmp_path, status):
    with crawled(tmp_path, robots("", status), "crawl.politeness.retries=1") as (crawl, site):
        ended = crawl.run(check=False)
    assert set(paths(site)) == {"/robots.txt"}
    assert ended.status == 3 and "robots.txt was not available" in ended.log


def test_a_missing_robots_txt_allows_everything(tmp_path):
    with crawled(tmp_path, robots("Disallow: /", 404)) as (crawl, _):
        crawl.run()
    assert len(crawl.records()) == N_PAGES


def test_retry_after_pauses_the_whole_host(tmp_path):
    told: list[float] = []

    def busy_once(request: LoggedRequest) -> Answer | None:
        if request.path == "/music/m3" and not told:
            told.append(request.at)
            return Answer(503, headers={"Retry-After": "2"})
        return plain(request)

    with crawled(tmp_path, busy_once) as (crawl, site):
        crawl.run()
    assert len(crawl.records()) == N_PAGES
    assert not [request for request in site.log if told[0] < request.at < told[0] + 1.95]


def test_a_host_that_asks_for_a_long_pause_is_deferred(tmp_path):
    def busy(request: LoggedRequest) -> Answer | None:
        return Answer(429, headers={"Retry-After": "7200"}) if request.path == "/music/m3" else plain(request)

    with crawled(tmp_path, busy, "crawl.min_extraction_rate=0.25") as (crawl, site):
        crawl.run()
    assert paths(site)[-1] == "/music/m3"
    [deferred] = crawl.manifest()["deferred"].values()
    assert deferred == {"pages": N_PAGES - 3, "reason": "it asked for a pause of 7200 s"}
    assert crawl.manifest()["extraction"] == {"MusicRecording 0": {"pages": N_PAGES, "with_record": 3, "rate": 0.25}}


def test_retries_wait_longer_every_time(tmp_path):
    def broken(request: LoggedRequest) -> Answer | None:
        return Answer(500) if request.path == "/music/m3" else plain(request)

    with crawled(tmp_path, broken, "crawl.politeness.retry_wait=0.4", "crawl.politeness.retries=2") as (crawl, site):
        crawl.run()
    times = [request.at for request in site.log if request.path == "/music/m3"]
    assert len(times) == 3
    assert times[1] - times[0] > 0.39 and times[2] - times[1] > 0.79


def test_a_host_that_fails_again_and_again_is_deferred(tmp_path):
    def down(request: LoggedRequest) -> Answer | None:
        return Answer(503) if request.path.startswith("/music/") else plain(request)

    sets = ("crawl.politeness.failures_in_a_row=3", "crawl.politeness.retries=0", "crawl.min_extraction_rate=0.0")
    with crawled(tmp_path, down, *sets) as (crawl, site):
        crawl.run()
    assert len(site.log) == 2 + 3
    [deferred] = crawl.manifest()["deferred"].values()
    assert deferred["pages"] == N_PAGES - 3 and "3 failures in a row" in deferred["reason"]


def test_the_budget_of_requests_is_never_exceeded_and_outlasts_a_run(tmp_path):
    with crawled(tmp_path, plain, "crawl.budget.requests=7", "crawl.politeness.concurrency_per_host=4") as (
        crawl,
        site,
    ):
        crawl.run()
    assert len(site.log) == 7
    assert len(crawl.records()) == 5  # robots.txt and the start page had two of them
    [deferred] = crawl.manifest()["deferred"].values()
    assert deferred == {"pages": N_PAGES - 5, "reason": "crawl.budget.requests is used up"}


def test_the_budget_of_bytes_ends_a_host(tmp_path):
    with crawled(tmp_path, plain, "crawl.budget.bytes=1500") as (crawl, _):
        crawl.run()
    [used] = crawl.manifest()["hosts"].values()
    assert 1500 <= used["bytes"] < 2500 and len(crawl.records()) < N_PAGES


def test_a_page_that_has_not_changed_is_not_sent_again(tmp_path):
    with crawled(tmp_path, plain, "crawl.politeness.cache_days=1") as (crawl, site):
        crawl.run()
        first = crawl.records()
        before = len(site.log)
        crawl.arguments[-1] = "2025-01-07"
        crawl.run()
    revalidated = [request for request in site.log[before:] if request.path.startswith("/music/")]
    assert len(revalidated) == N_PAGES
    assert all("if-none-match" in request.headers for request in revalidated)
    second = crawl.result.with_name("date=2025-01-07")
    assert json.loads((second / "_manifest.json").read_text())["records"] == len(first)


@pytest.mark.parametrize("contact", [None, "crawl.contact=nobody"])
def test_nothing_starts_without_a_contact(tmp_path, contact):
    site = Site(NOBODY, plain)
    with serving(site) as address:
        ended = Crawl(tmp_path, SMALL + START, address, contact=contact).run(check=False)
    assert ended.status == 2 and "crawl.contact" in ended.log and not site.log


def test_loopback_is_refused_unless_it_is_named(tmp_path):
    with crawled(tmp_path, plain, "crawl.private_hosts=[]") as (crawl, site):
        ended = crawl.run(check=False)
    assert ended.status == 3 and "private address" in ended.log and not site.log


def test_a_changed_layout_fails_the_job_and_publishes_nothing(tmp_path):
    def redone(request: LoggedRequest) -> Answer | None:
        if request.path in {f"/music/m{n}" for n in range(2, N_PAGES)}:
            return Answer(body=b"<html><h1>all new</h1></html>")
        return plain(request)

    with crawled(tmp_path, redone) as (crawl, _):
        ended = crawl.run(check=False)
    assert ended.status == 4
    assert "perhaps the site has changed its layout" in ended.log and f"2 of {N_PAGES} pages" in ended.log
    assert not crawl.result.exists()


def test_secrets_reach_the_site_and_nothing_else(tmp_path):
    secret = "s3cret-token-of-the-tests"

    def mirror(request: LoggedRequest) -> Answer | None:
        if request.path.startswith("/music/"):
            return Answer(body=music(request.path[-1], f"you said {request.headers.get('authorization')}"))
        return plain(request)

    source = SMALL.replace('name = "site"', 'name = "site"\nheaders = { Authorization = "Bearer ${TEST_TOKEN}" }')
    with crawled(tmp_path, mirror, source=source + START) as (crawl, site):
        refused = crawl.run(check=False)
        assert refused.status == 2 and "TEST_TOKEN" in refused.log
        crawl.environment["TEST_TOKEN"] = secret
        ended = crawl.run()
    assert site.log[-1].headers["authorization"] == f"Bearer {secret}"
    assert "authorization" not in site.log[0].headers  # robots.txt needs no secret
    assert crawl.records()[0]["title"] == "you said Bearer ***"
    assert secret not in ended.log + (crawl.result / "_manifest.json").read_text()


def test_hashed_ids_are_those_of_the_rating_log_and_the_only_trace_of_a_user(tmp_path):
    source = SMALL.replace("css =", "hash_id = true\ncss =")
    with crawled(tmp_path, plain, source=source + START) as (crawl, _):
        refused = crawl.run(check=False)
        assert refused.status == 2 and KEY_VARIABLE in refused.log
        crawl.environment[KEY_VARIABLE] = KEY
        crawl.run()
    hashed = pseudonymizer(KEY)
    records = {record["id"]: record for record in crawl.records()}
    assert set(records) == {hashed(f"m{n}") for n in range(N_PAGES)}
    assert records[hashed("m7")]["url"].endswith(f"/music/{hashed('m7')}")
    assert not crawl.state.exists()


def test_two_crawls_at_one_host_do_not_run_together(tmp_path):
    with crawled(tmp_path, plain, "crawl.politeness.delay=0.3") as (crawl, site):
        process = crawl.start()
        while not site.log:
            time.sleep(0.01)
        second = Crawl(tmp_path / "second", SMALL + START, crawl.address, f"paths.data={tmp_path}")
        ended = second.run(check=False)
        process.kill()
        crawl.wait(process)
    assert ended.status == 3 and "another crawl is running at 127.0.0.1" in ended.log


def test_lists_of_ids_come_in_their_order_and_name_the_records(tmp_path):
    (tmp_path / "ids.json").write_text('{"id": "m5", "uses": 9}\n{"id": "m 2"}\n')
    start = '[[crawl.start.lists]]\nfiles = ["{data}/ids*"]\nurl = "ADDRESS/music/x-{value}"\n'
    with crawled(tmp_path, plain, source=SMALL + start) as (crawl, site):
        crawl.run()
    assert paths(site)[1:] == ["/music/x-m5", "/music/x-m%202"]
    assert [record["id"] for record in crawl.records()] == ["m5", "m 2"]  # the page itself says x-m5


def test_search_pages_lead_to_what_they_find(tmp_path):
    def searched(request: LoggedRequest) -> Answer | None:
        if request.path.startswith("/find?q="):
            return Answer(body=f"<html><body>{links([f'/music/{request.path[8:]}'])}</body></html>".encode())
        return plain(request)

    start = (
        '[[crawl.start.lists]]\nvalues = ["rain", "sun"]\nvalues_are_ids = false\nurl = "ADDRESS/find?q={value}"\n'
        '[crawl.follow]\nallow = ["/music/"]\n'
    )
    with crawled(tmp_path, searched, source=SMALL + start) as (crawl, _):
        crawl.run()
    assert {record["id"] for record in crawl.records()} == {"rain", "sun"}


def test_links_marked_nofollow_are_not_followed(tmp_path):
    def marked(request: LoggedRequest) -> Answer | None:
        if request.path == "/start":
            return Answer(body=b'<a href="/music/a" rel="nofollow">a</a><a href="/music/b">b</a>')
        if request.path == "/music/b":
            head = b'<meta name="robots" content="noindex, nofollow">'
            return Answer(body=head + music("b", "t") + b'<a href="/music/c">c</a>')
        return plain(request)

    with crawled(tmp_path, marked) as (crawl, site):
        crawl.run()
    assert paths(site) == ["/robots.txt", "/start", "/music/b"]


def test_a_crawl_with_other_settings_starts_over(tmp_path):
    with crawled(tmp_path, plain, "crawl.politeness.delay=0.3") as (crawl, site):
        process = crawl.start()
        while len(site.log) < 5:
            time.sleep(0.01)
        process.kill()
        crawl.wait(process)
        before = len(site.log)
        crawl.arguments += ["--set", "crawl.politeness.delay=0.0"]
        ended = crawl.run()
    assert "starts over" in ended.log
    assert "/start" in paths(site)[before:] and crawl.manifest()["runs"] == 1


def test_pages_with_temporary_failures_are_fetched_again_by_the_next_run(tmp_path):
    down = [True]

    def sometimes(request: LoggedRequest) -> Answer | None:
        return Answer(500) if down[0] and request.path != "/robots.txt" else plain(request)

    with crawled(tmp_path, sometimes, "crawl.politeness.retries=0") as (crawl, _):
        failed = crawl.run(check=False)
        assert failed.status == 3 and "1 × http 500" in failed.log
        down[0] = False
        crawl.run()
    assert len(crawl.records()) == N_PAGES
