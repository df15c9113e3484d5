"""The frontier keeps pages, records and usage together; results appear whole."""

from __future__ import annotations

import gzip
import json
import sqlite3
import time

import pytest

from bgmrec.crawl.cpu_limit import CpuLimitExceeded, cpu_limit
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.output import is_published, write_result
from bgmrec.crawl.results import NewPage, PageResult, Record

A, B = "http://a.example", "http://b.example"


@pytest.fixture
def frontier(tmp_path):
    return Frontier(tmp_path / "state" / "frontier.sqlite")


def reopened(tmp_path) -> Frontier:
    """The frontier, as a new process reads it."""
    return Frontier(tmp_path / "state" / "frontier.sqlite")


def test_pages_come_near_ones_first_and_in_the_order_they_were_found(frontier):
    frontier.seed([NewPage(f"{A}/1"), NewPage(f"{A}/deep", depth=2), NewPage(f"{A}/2"), NewPage(f"{A}/1#again")])
    taken = [page.url for page in iter(lambda: frontier.take("a.example"), None)]
    assert taken == [f"{A}/1", f"{A}/2", f"{A}/deep"]
    assert frontier.waiting["a.example"] == 0 and frontier.take("b.example") is None


def test_many_more_pages_than_a_batch_come_once_each(frontier):
    frontier.seed(NewPage(f"{A}/{n}") for n in range(300))
    taken = []
    while (page := frontier.take("a.example")) is not None:
        taken.append(page.url)
        if len(taken) % 3:
            frontier.finish(page, PageResult("page", pages=(NewPage(f"{A}/0"), NewPage(f"{A}/new/{page.id}"))))
        if len(taken) > 1000:
            break
    assert len(taken) == len(set(taken))


def test_the_result_of_a_page_is_stored_whole_or_not_at_all(frontier, tmp_path):
    frontier.seed([NewPage(f"{A}/1"), NewPage(f"{B}/1")])
    page, other = frontier.take("a.example"), frontier.take("b.example")
    frontier.used("a.example").requests = 3
    found = PageResult(
        "record", 200, records=(Record("T", "1", "{}"), Record("T", "1", "{}")), pages=(NewPage(f"{A}/2"),),
        expected=("T 0", "P 1"), extracted=("T 0",),
    )  # fmt: skip
    frontier.finish(page, found)
    broken = PageResult("record", records=(Record("T", "2", "{}"), Record("T", None, "{}")), pages=(NewPage(f"{B}/2"),))
    frontier._db.execute("create trigger refuse before insert on records when new.id = '2' "
                         "begin select raise(abort, 'disk full'); end")  # fmt: skip
    with pytest.raises(sqlite3.Error):
        frontier.finish(other, broken)
    fresh = reopened(tmp_path)
    assert fresh.outcomes() == {"record": 1} and fresh.unfinished() == {"a.example": 1, "b.example": 1}
    assert list(fresh.lines()) == ["{}"] and fresh.counts.records == 1
    assert [(page.url, page.extracted) for page in fresh.every_page()][:2] == [(f"{A}/1", ("T 0",)), (f"{B}/1", ())]
    assert fresh.used("a.example").requests == 3
    assert fresh.take("b.example").url == f"{B}/1", "a page in flight is not lost"


def test_a_released_page_is_there_for_the_next_run(frontier, tmp_path):
    frontier.seed([NewPage(f"{A}/1", entity_id="m1")])
    frontier.release(frontier.take("a.example"))
    assert frontier.waiting["a.example"] == 1 and not frontier.in_flight
    assert reopened(tmp_path).take("a.example").entity_id == "m1"


def test_seeding_is_all_or_nothing(frontier, tmp_path):
    def half():
        yield NewPage(f"{A}/1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frontier.seed(half())
    fresh = reopened(tmp_path)
    assert fresh.unfinished() == {} and not fresh.fact("seeded")


def test_a_result_appears_whole_and_what_a_killed_process_left_does_not_count(tmp_path):
    folder = tmp_path / "site" / "date=2025-01-06"
    half = folder.with_name(".date=2025-01-06.partial")
    half.mkdir(parents=True)
    (half / "part-00099.jsonl.gz").write_bytes(b"half")

    def broken():
        yield "{}"
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_result(folder, broken(), {})
    assert not is_published(folder) and not folder.exists()
    write_result(folder, ['{"a":1}', '{"a":2}'], {"pages": 2})
    assert is_published(folder) and not half.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["_manifest.json", "part-00000.jsonl.gz"]
    assert gzip.decompress((folder / "part-00000.jsonl.gz").read_bytes()) == b'{"a":1}\n{"a":2}\n'
    [part] = json.loads((folder / "_manifest.json").read_text())["parts"]
    assert part["records"] == 2


def test_a_page_that_exceeds_its_cpu_time_is_interrupted():
    began = time.process_time()
    with pytest.raises(CpuLimitExceeded), cpu_limit(0.2):
        while True:
            pass
    assert time.process_time() - began < 2
    with cpu_limit(0.2):
        pass
    end = time.process_time() + 0.4
    while time.process_time() < end:  # a signal that is still armed would raise here
        pass
