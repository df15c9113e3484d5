"""The texts of show on runs and users."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bgmrec.errors import InputError
from bgmrec.evaluate.text import display_width
from bgmrec.report.score_text import NO_PARTS
from bgmrec.stages.show import run_text, user_text, why_text
from tests.unit.run_facts import run_facts


def run_of(summary: dict | None) -> SimpleNamespace:
    root = SimpleNamespace(read_json=lambda name: summary, path=lambda name: f"root/{name}")
    return SimpleNamespace(root=root)


def test_a_run_is_shown_with_its_stages_rows_and_metrics():
    facts = run_facts()["summary"] | {
        "result": {"published": True},
        "metrics": {"bgmrec": {"rmse": 0.91}, "als": {"rmse": 0.95, "mae": 0.7}},
        "report": "root/reports/x.html",
    }
    text = "\n".join(run_text(run_of(facts), "2025-01-06-001"))
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["run", "2025-01-06-001:", "published"]
    assert ["train", "1", "min", "0", "s", "2,048"] in lines
    assert ["ingest_ratings", "100", "90", "3", "2", "5", "0"] in lines
    assert ["als", "0.950", "0.700"] in lines and ["bgmrec", "0.910", "–"] in lines
    assert text.endswith("report: root/reports/x.html")


def test_a_failed_run_is_shown_with_its_error_and_an_unknown_one_is_an_error():
    failed = {"result": {"published": False, "error": "too few rows"}}
    assert "not published: too few rows" in "\n".join(run_text(run_of(failed), "x"))
    with pytest.raises(InputError, match="root/summaries"):
        list(run_text(run_of(None), "2025-01-06-009"))


def test_a_user_has_history_and_list_side_by_side_and_the_parts_of_every_score():
    person = run_facts()["people"][1]
    lines = list(user_text(person, implicit=False))
    assert lines[0] == "user user-1 (warm, 6 ratings)"
    assert lines[3].startswith("  2025-01-02  4.0  ") and " 1.  0.900  " in lines[3]
    why = list(why_text(person, draws=0))
    assert why[1] == "   1. 0.900 = 0.700 their ratings + 0.300 side information − 0.100 the track itself"
    assert "because of" in why[2]
    person["list"] = [{name: value for name, value in row.items() if name != "why"} for row in person["list"]]
    assert [NO_PARTS in line for line in why_text(person, draws=4)] == [True]


def test_a_history_that_is_not_shown_as_a_whole_says_how_much_of_it_is() -> None:
    person = run_facts()["people"][1]
    person["history"], person["ratings"] = person["history"][:1] * 12, 22
    assert "history, 12 of 22 shown (day, rating, track)" in list(user_text(person, implicit=False))[2]
    person["ratings"] = 12
    assert list(user_text(person, implicit=True))[2].startswith("  history (day, track)  ")


@pytest.mark.parametrize("title", ["Song", "夜曲", "夜に駆ける" * 9, "🎵 party", "e\u0301tude", "a\x1b[31m\tb"])
def test_the_list_stands_in_one_column_whatever_the_titles_of_the_history(title: str) -> None:
    person = run_facts()["people"][1]
    person["history"] = [{**row, "title": title} for row in person["history"]]
    person["list"] = [person["list"][0], {**person["list"][0], "position": 2}]
    head, *lines = list(user_text(person, implicit=False))[2:]
    assert len(lines) == 2
    columns = [display_width(line[: line.index(mark)]) for line, mark in zip(lines, (" 1. ", " 2. "), strict=True)]
    assert columns == [display_width(head[: head.index("recommended")])] * 2
    assert not any(letter in line for line in lines for letter in "\x1b\t")
