"""A whole site with hostile pages, crawled undisturbed and killed: the same records, each exactly once."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bgmrec.synthetic.plan import WorldPlan
from bgmrec.synthetic.site.catalogue import SiteCatalogue, catalogue
from bgmrec.synthetic.site.server import API_PAGE, Site, serving
from tests.crawl.crawls import Crawl, Ended
from tests.crawl.hostile_site import LOOP_DEPTH, OUTCOMES, RECORDS, hostile_pages

ITEMS, USERS = 1000, 1100  # with artists and pages of the API more than 2,000 pages
PER_HOST = 8
SOURCE = """
[crawl]
name = "site"
hosts = ["127.0.0.1", "localhost", "169.254.169.254"]
private_hosts = ["127.0.0.1"]
deny_fields = ["email", "telephone"]
[crawl.politeness]
delay = 0.0
concurrency_per_host = 8
timeout = 3.0
retries = 2
retry_wait = 0.05
cache_days = 0
[crawl.budget]
page_bytes = 2_000_000
[crawl.start]
urls = ["ADDRESS/", "ADDRESS/api/music", "ADDRESS/hostile/"]
sitemaps = ["ADDRESS/sitemap.xml"]
sitemap_allow = ["/user/"]
[crawl.follow]
allow = ["/artist/", "/music/", "/hostile/", "/private/", "^javascript", "^file"]
drop_parameters = ["utm_source"]
depth = 5
[crawl.paging]
json_token = "next_page_token"
parameter = "page_token"
[[crawl.records]]
entity_type = "MusicRecording"
pages = "/music/"
types = ["MusicRecording"]
css = { id = "h1.title::attr(data-id)", title = "h1.title::text", genre = "dd.genre::text" }
xpath = { bpm = "//dd[@class='bpm']/text()" }
[crawl.records.schema_fields]
id = "identifier"
title = "name"
genre = "genre"
bpm = "additionalProperty[?name=='bpm'].value | [0]"
[[crawl.records]]
entity_type = "Hostile"
pages = "/hostile/|/private/"
types = ["MusicRecording"]
schema_fields = { id = "identifier", title = "name", genre = "genre", tracks = "numTracks" }
[[crawl.records]]
entity_type = "MusicGroup"
pages = "/artist/"
types = ["MusicGroup"]
schema_fields = { id = "identifier", title = "name" }
[[crawl.records]]
entity_type = "Person"
pages = "/user/"
types = ["Person"]
schema_fields = { id = "identifier", interests = "knowsAbout", extra = "additionalProperty" }
[[crawl.records]]
entity_type = "Track"
pages = "/api/music"
json_items = "tracks"
json_fields = { id = "id", title = "title" }
"""


@pytest.fixture(scope="module")
def world() -> SiteCatalogue:
    plan = WorldPlan(
        seed=3, users=USERS, items=ITEMS, events=10, days=6, first_day=date(2025, 1, 1), dirty_share=0.0,
        new_user_share=0.1, new_item_share=0.1, rated_share=0.5, drift=1.0,
    )  # fmt: skip
    return catalogue(plan)


@pytest.fixture
def site(world: SiteCatalogue) -> Iterator[tuple[Site, str]]:
    with _serving(world) as (site, address):
        yield site, address


@contextmanager
def _serving(world: SiteCatalogue) -> Iterator[tuple[Site, str]]:
    site = Site(world, hostile_pages())
    with serving(site) as address:
        yield site, address


@pytest.fixture(scope="module")
def undisturbed(world: SiteCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crawl, Site, Ended]]:
    with _serving(world) as (site, address):
        crawl = Crawl(tmp_path_factory.mktemp("crawl"), SOURCE, address, "crawl.min_extraction_rate=0.3")
        ended = crawl.run()
        yield crawl, site, ended


def expected_ids(world: SiteCatalogue) -> dict[str, set[str]]:
    return {
        "MusicRecording": set(world.music),
        "MusicGroup": set(world.artists),
        "Person": set(world.users),
        "Track": set(world.music),
        "Hostile": set(RECORDS.values()),
    }


def test_every_allowed_page_gives_its_record_exactly_once(undisturbed, world):
    crawl, _, _ = undisturbed
    records = crawl.records()
    found = Counter((record["entity_type"], record["id"]) for record in records)
    assert set(found.values()) == {1}
    for entity_type, ids in expected_ids(world).items():
        assert {entity_id for of, entity_id in found if of == entity_type} == ids
    pages = crawl.manifest()["pages"]
    assert pages > 2000
    n_api = len(world.music) // API_PAGE
    assert pages == len({"/", *world.music, *world.artists, *world.users}) + n_api + _n_hostile_pages() + 4


def _n_hostile_pages() -> int:
    loops = LOOP_DEPTH  # /hostile/loop/0 is one link away from the index
    redirects = 1 + 1 + 10 + 1 + 1  # /hostile/redirect, around/b, chain/1..10, localhost, 169.254.169.254
    return 1 + len(RECORDS) + len(OUTCOMES) + loops + redirects


def test_all_three_notations_say_the_same(undisturbed, world):
    records = {record["id"]: record for record in undisturbed[0].records() if record["entity_type"] == "MusicRecording"}
    for music_id, track in world.music.items():
        record = records[music_id]
        assert (record["title"], record["genre"]) == (track["title"], track["genre"])
        assert float(record["bpm"]) == track["bpm"]
        assert record["url"].endswith(f"/music/{music_id}") and record["status"] == 200


def test_forbidden_paths_hosts_and_files_are_never_asked_for(undisturbed):
    _, site, _ = undisturbed
    assert [request.path for request in site.log].count("/robots.txt") == 1
    assert not [request.path for request in site.log if request.path.startswith(("/private/", "/search"))]
    assert {urlsplit(f"http://{request.headers['host']}").hostname for request in site.log} == {"127.0.0.1"}
    assert "/hostile/inside" not in {request.path for request in site.log}
    assert {request.headers["user-agent"] for request in site.log} == {"bgmrec/0.1.0 ( tests@bgmrec.example )"}
    assert not any("cookie" in request.headers or "referer" in request.headers for request in site.log)


def test_each_page_is_asked_for_once_unless_it_had_trouble(undisturbed):
    _, site, _ = undisturbed
    often = {path: n for path, n in Counter(request.path for request in site.log).items() if n > 1}
    tries = {"flaky": 3, "always-500": 3, "busy": 2, "endless": 3, "cut-off": 3}
    assert often == {f"/hostile/{name}": n for name, n in tries.items()}


def test_every_failure_is_in_the_manifest(undisturbed):
    manifest = undisturbed[0].manifest()
    counts = manifest["pages_by_outcome"]
    expected = Counter(outcome for outcome in OUTCOMES.values() if outcome != "redirected")
    expected["no record"] += 1 + LOOP_DEPTH  # the index and the pages of the loop
    assert {name: counts[name] for name in expected} == expected
    assert counts["private address"] == 2 and counts["too many redirects"] == 1
    assert manifest["errors"]["http 410"]["examples"][0]["url"].endswith("/hostile/gone")
    refused = {example["detail"] for example in manifest["errors"]["private address"]["examples"]}
    assert refused == {"127.0.0.1", "169.254.169.254"}  # in whatever order they were answered
    assert manifest["pages_by_status"]["404"] == 1
    assert manifest["extraction"]["MusicRecording 0"] == {"pages": ITEMS, "with_record": ITEMS, "rate": 1.0}
    assert sum(part["records"] for part in manifest["parts"]) == manifest["records"]


def test_broken_text_becomes_valid_json_and_denied_fields_are_gone(undisturbed):
    crawl, _, _ = undisturbed
    records = {record["id"]: record for record in crawl.records()}
    assert records["n-latin"]["title"] == "Café"
    assert records["n-odd"]["title"] == "lone ? surrogate"
    assert records["n-odd"]["tracks"] is None
    assert records["n-odd"]["genre"] == ["a", {"deep": None}]
    packed = b"".join(path.read_bytes() for path in crawl.result.glob("part-*"))
    assert packed and not any("email" in str(record) for record in records.values())


def test_memory_stays_below_300_megabytes(undisturbed):
    assert 30 < undisturbed[2].memory < 300  # an interpreter alone holds 10


def test_what_a_crawl_has_is_not_fetched_again(undisturbed):
    crawl, site, _ = undisturbed
    before, records = len(site.log), crawl.records()
    again = crawl.run()
    assert again.out.strip() == str(crawl.result) and crawl.records() == records
    refused = {path for path, outcome in OUTCOMES.items() if outcome != "robots"}
    asked = {request.path for request in site.log[before:]}
    assert refused <= asked and not asked & {*RECORDS, "/", "/hostile/redirect"}
    assert not [path for path in asked if path.startswith(("/music/", "/artist/", "/user/"))]


def test_killed_three_times_it_loses_doubles_and_repeats_nothing(undisturbed, site, tmp_path):
    reference = undisturbed[0].records()
    served, address = site
    crawl = Crawl(tmp_path, SOURCE, address, "crawl.min_extraction_rate=0.3")
    finished: list[tuple[set[str], int]] = []
    for wanted in (300, 900, 1600):
        process = crawl.start()
        _until(lambda wanted=wanted: len(served.log) >= wanted)
        process.send_signal(signal.SIGKILL)
        crawl.wait(process)
        finished.append((_finished(crawl.state), len(served.log)))
        assert not crawl.result.exists(), "a result is there before the crawl is complete"
    crawl.run()
    assert crawl.manifest()["runs"] == 4
    assert _comparable(crawl.records(), address) == _comparable(reference, undisturbed[0].address)
    for done, at in finished:
        assert done, "nothing was finished before the kill"
        assert not done & {address + request.path for request in served.log[at:]}, "a finished page was fetched again"
    doubled = [path for path, n in Counter(request.path for request in served.log).items() if n > 1]
    doubled = [path for path in doubled if "/hostile/" not in path and path != "/robots.txt"]
    assert len(doubled) <= 3 * PER_HOST, "more pages were fetched twice than were in flight at the kills"


def _until(met, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end
        time.sleep(0.005)


def _finished(state: Path) -> set[str]:
    """Pages that are finished for good; a further run asks again where a page failed for a while."""
    for_good = "outcome not in ('timeout', 'unreachable', 'http 500')"
    with sqlite3.connect(state) as db:
        return {url for (url,) in db.execute(f"select url from pages where outcome is not null and {for_good}")}


def _comparable(records, address: str) -> list[str]:
    """Records without what differs from run to run."""
    kept = [{name: value for name, value in record.items() if name != "fetched_at"} for record in records]
    return sorted(str(record).replace(address, "") for record in kept)


def test_a_stop_ends_soon_and_the_next_run_resumes(site, tmp_path):
    served, address = site
    crawl = Crawl(tmp_path, SOURCE, address, "crawl.min_extraction_rate=0.3", "crawl.politeness.delay=0.02")
    process = crawl.start()
    _until(lambda: len(served.log) >= 30)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    ended = crawl.wait(process)
    assert ended.status == 1 and "the same command resumes" in ended.log
    assert time.monotonic() - began < 10
    done = _finished(crawl.state)
    before = len(served.log)
    process = crawl.start()
    _until(lambda: len(served.log) >= before + 30)
    process.kill()
    crawl.wait(process)
    assert not done & {address + request.path for request in served.log[before:]}
