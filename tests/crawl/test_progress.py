"""The progress line of a crawl shows pages, records, errors, rate, queues and time left."""

from __future__ import annotations

from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.progress import CrawlProgress
from bgmrec.crawl.results import NewPage, PageResult, Record
from bgmrec.runtime.logs import Progress


class Told(Progress):
    def update(self, stage, **facts):
        self.stage, self.facts = stage, facts


def test_the_line_counts_and_estimates(tmp_path, monkeypatch):
    now = iter([100.0, 102.0])
    monkeypatch.setattr("bgmrec.crawl.progress.monotonic", lambda: next(now))
    frontier, told = Frontier(tmp_path / "frontier.sqlite"), Told()
    frontier.seed([NewPage(f"http://a.example/{n}") for n in range(9)] + [NewPage("http://b.example/")])
    line = CrawlProgress(told, "site", frontier)
    line.update()
    assert told.facts["seconds_left"] == "unknown"
    results = [
        PageResult("record", 200, records=(Record("T", "1", "{}"),)),
        PageResult("page", 200),
        PageResult("http 404", 404),
    ]
    for result in [*results, PageResult("robots")]:
        frontier.finish(frontier.take("a.example"), result)
    line.update()
    assert told.stage == "crawl site"
    assert told.facts == {
        "pages": 4,
        "records": 1,
        "errors": 2,
        "pages_per_second": 2.0,  # 4 in 2 seconds
        "queues": "a.example 5 b.example 1",
        "seconds_left": 3,  # 6 more
    }
