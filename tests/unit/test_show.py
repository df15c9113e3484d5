"""What show says of runs and users, out of plain facts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bgmrec.errors import InputError
from bgmrec.report.score_text import NOT_APART
from bgmrec.stages.show import run_text, user_text, why_text
from tests.unit.night_facts import night_facts


def run_of(summary: dict | None) -> SimpleNamespace:
    root = SimpleNamespace(read_json=lambda name: summary, path=lambda name: f"root/{name}")
    return SimpleNamespace(root=root)


def test_a_run_tells_its_stages_rows_and_metrics():
    facts = night_facts()["summary"] | {
        "result": {"published": True},
        "metrics": {"bgmrec": {"rmse": 0.91}, "als": {"rmse": 0.95, "mae": 0.7}},
        "report": "root/reports/x.html",
    }
    said = "\n".join(run_text(run_of(facts), "2025-01-06-001"))
    lines = [line.split() for line in said.splitlines()]
    assert lines[0] == ["run", "2025-01-06-001:", "published"]
    assert ["train", "1", "min", "0", "s", "2,048"] in lines
    assert ["ingest_ratings", "100", "90", "3", "2", "5", "0"] in lines
    assert ["als", "0.950", "0.700"] in lines and ["bgmrec", "0.910", "–"] in lines
    assert said.endswith("report: root/reports/x.html")


def test_a_failed_run_says_why_and_an_unknown_one_where_to_look():
    failed = {"result": {"published": False, "error": "too few rows"}}
    assert "not published: too few rows" in "\n".join(run_text(run_of(failed), "x"))
    with pytest.raises(InputError, match="root/summaries"):
        list(run_text(run_of(None), "2025-01-06-009"))


def test_a_user_has_history_and_list_side_by_side_and_the_parts_of_every_score():
    person = night_facts()["people"][1]
    lines = list(user_text(person, implicit=False))
    assert lines[0] == "user user-1 (warm, 6 ratings)"
    assert lines[3].startswith("  2025-01-02  4.0  ") and " 1.  0.900  " in lines[3]
    why = list(why_text(person, draws=0))
    assert why[1] == "   1. 0.900 = 0.700 their ratings + 0.300 side information − 0.100 the track itself"
    assert "because of" in why[2]
    person["list"] = [{name: value for name, value in row.items() if name != "why"} for row in person["list"]]
    assert [NOT_APART in line for line in why_text(person, draws=4)] == [True]
