"""The live line of a crawl tells pages, records, errors, rate, queues and time left."""

from __future__ import annotations

from bgmrec.crawl.board import Board
from bgmrec.crawl.findings import Finding, NewPage, Record
from bgmrec.crawl.frontier import Frontier
from bgmrec.runtime.logs import Progress


class Told(Progress):
    def update(self, stage, **facts):
        self.stage, self.facts = stage, facts


def test_the_line_counts_and_estimates(tmp_path, monkeypatch):
    now = iter([100.0, 102.0])
    monkeypatch.setattr("bgmrec.crawl.board.monotonic", lambda: next(now))
    frontier, told = Frontier(tmp_path / "frontier.sqlite"), Told()
    frontier.seed([NewPage(f"http://a.example/{n}") for n in range(9)] + [NewPage("http://b.example/")])
    board = Board(told, "site", frontier)
    board.tell()
    assert told.facts["seconds_left"] == "unknown"
    findings = [
        Finding("record", 200, records=(Record("T", "1", "{}"),)),
        Finding("page", 200),
        Finding("http 404", 404),
    ]
    for finding in [*findings, Finding("robots")]:
        frontier.finish(frontier.take("a.example"), finding)
    board.tell()
    assert told.stage == "crawl site"
    assert told.facts == {
        "pages": 4,
        "records": 1,
        "errors": 2,
        "pages_per_second": 2.0,  # 4 in 2 seconds
        "queues": "a.example 5 b.example 1",
        "seconds_left": 3,  # 6 more
    }
