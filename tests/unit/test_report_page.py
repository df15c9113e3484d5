"""The page of a night: complete in itself, harmless whatever the data say, readable by more than eyes."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest

from bgmrec.report.bootstrap import Estimate
from bgmrec.report.page import charts, draw, page
from bgmrec.report.page.lists_section import lists_section
from bgmrec.report.page.parts import Titled
from bgmrec.report.page.quality_section import quality_section
from bgmrec.report.page.style import drawn
from bgmrec.report.score_text import NOT_APART, score_parts_text, sum_text
from tests.unit.night_facts import HOSTILE, night_facts


class Read(HTMLParser):
    """Elements with their attributes, ids, and the text of what is neither script nor style."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text.append(data)

    def of(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for name, attributes in self.elements if name == tag]


@cache
def of_mode(mode: str) -> tuple[list[Any], str]:
    """(sections, page) of a night; drawn once."""
    facts = night_facts(mode)
    sections = charts.sections(facts)
    return sections, page.render(facts, sections)


@pytest.fixture(params=["explicit", "implicit"])
def made(request: pytest.FixtureRequest) -> tuple[list[Any], str]:
    return of_mode(request.param)


def test_nothing_of_the_data_becomes_an_element(made: tuple[list[Any], str]) -> None:
    read = Read(made[1])
    assert len(read.of("script")) == 1
    assert not read.of("img")
    handlers = [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert not handlers
    text = "".join(read.text)
    assert HOSTILE[0] in text and HOSTILE[2] in text, "a title is shown as it is"
    assert "\x00" not in made[1] and "\x1b" not in made[1]
    assert "49" not in re.findall(r"\$.{0,20}", text)[0], "no template runs inside a title"


def test_nothing_is_fetched_and_only_the_pages_own_script_may_run(made: tuple[list[Any], str]) -> None:
    read = Read(made[1])
    for _, attributes in read.elements:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#"), attributes
    assert "@import" not in made[1] and not re.search(r"url\((?!#)", made[1])
    policy = next(meta["content"] for meta in read.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    script = re.search(r"<script>(.*?)</script>", made[1], re.S)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_every_figure_says_in_words_what_there_is_to_see_and_has_its_numbers_beside_it(
    made: tuple[list[Any], str],
) -> None:
    read = Read(made[1])
    drawings, figures = read.of("svg"), list(charts.figures(made[0]))
    assert len(drawings) == len(figures) >= 10
    assert all(one["role"] == "img" and len(one["aria-label"]) > 20 for one in drawings)
    assert len(read.of("details")) == len(figures)
    assert all(figure.table.rows and len(figure.table.rows[0]) == len(figure.table.heads) for figure in figures)
    assert all(figure.pictures.png.startswith(b"\x89PNG") for figure in figures)


def test_ids_are_unique_and_links_lead_somewhere(made: tuple[list[Any], str]) -> None:
    read = Read(made[1])
    ids = [attributes["id"] for _, attributes in read.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in read.of("a")} <= set(ids)


def test_colours_of_charts_follow_the_page(made: tuple[list[Any], str]) -> None:
    for figure in charts.figures(made[0]):
        colours = set(re.findall(r"#[0-9a-f]{6}\b", figure.pictures.inline))
        assert colours <= {"#000000"}, f"{figure.name}: {colours}"  # hatches take the colour of the edge


def test_modes_show_what_they_have() -> None:
    shown = {mode: {figure.name for figure in charts.figures(of_mode(mode)[0])} for mode in ("explicit", "implicit")}
    assert shown["explicit"] - shown["implicit"] == {"calibration", "errors-users", "errors-music"}


def test_the_parts_of_a_score_are_said_with_their_signs() -> None:
    row = {"score": 0.9, "why": night_facts()["people"][0]["list"][0]["why"]}
    parts = score_parts_text(row)
    assert [(part["key"], part["amount"]) for part in parts] == [("ratings", 0.7), ("prior", 0.3), ("item", -0.1)]
    assert sum(part["share"] for part in parts) == pytest.approx(1.0)
    assert sum_text(row) == "0.900 = 0.700 their ratings + 0.300 side information − 0.100 the track itself"


def test_a_night_without_held_out_ratings_has_a_page_that_says_so() -> None:
    facts = night_facts("implicit")
    facts["quality"] = {"rows": [], "history": facts["quality"]["history"], "best_round": 3}
    facts["lists"] = {"sources": {"warm": 1}}
    facts["runs"] = {"course": facts["runs"]["course"][1:], "before": None}
    facts["map"], facts["tracks"] = {}, []
    content = page.render(facts, charts.sections(facts))
    assert "No ratings were held out" in content and "none was reported on" in content
    assert 'href="#tracks"' not in content


def test_a_sampled_night_says_why_no_score_is_taken_apart() -> None:
    facts = night_facts("explicit")
    facts["run"]["draws"] = 20
    for person in facts["people"]:
        person["list"] = [{name: value for name, value in row.items() if name != "why"} for row in person["list"]]
    said = [
        " ".join(Read(content).text) for content in (page.render(facts, [lists_section(facts)]), of_mode("explicit")[1])
    ]
    assert [text.count(NOT_APART) for text in said] == [1, 0]
    assert ["Each score is taken apart" in text for text in said] == [False, True]


def test_a_panel_says_its_models_where_they_are_others_than_those_beside_it() -> None:
    found = Estimate(0.5, 0.4, 0.6)
    rows = {"rmse": ("bgmrec", "bias"), "mae": ("bgmrec", "bias"), "ndcg": ("bgmrec",), "recall": ("bgmrec", "bias")}
    with drawn(6, 4) as drawing:
        draw.intervals(drawing, {metric: dict.fromkeys(models, found) for metric, models in rows.items()})
        named = [[label.get_text() for label in ax.get_yticklabels()] for ax in drawing.axes]
    assert named == [["bgmrec", "bias"], ["", ""], ["bgmrec"], ["bgmrec", "bias"]]


def test_lists_that_were_not_published_are_shown_as_such() -> None:
    facts = night_facts("implicit")
    assert not [text for text in lists_section(facts).missing if "publish.tables" in text]
    del facts["run"]["published"]["recommendations"]
    assert [text for text in lists_section(facts).missing if "leaves recommendations out" in text]


def test_the_first_sentence_names_the_best_baseline_and_how_sure_it_is() -> None:
    lead = of_mode("implicit")[0][0].lead
    assert "NDCG@10 is 0.120" in lead and "33 % better than the best baseline, als" in lead and "p = 0.0040" in lead
    facts = night_facts("implicit")
    facts["quality"]["ranking"]["ndcg"]["als"]["lead"]["p"] = 0.4
    assert "not significantly different" in quality_section(facts).lead


def test_slices_are_named_by_what_they_cut_and_stand_in_rising_order() -> None:
    figure = next(figure for figure in charts.figures(of_mode("implicit")[0]) if figure.name == "slices")
    names = [row[0] for row in figure.table.rows]
    assert names == [
        "warm music",
        "warm users",
        "cold users",
        "popularity 2/10",
        "popularity 10/10, most",
        "activity 1/10, least",
    ]


def test_drift_is_said_where_there_is_any() -> None:
    drift = next(b for b in of_mode("explicit")[0][2].blocks if isinstance(b, Titled) and "changed" in b.title)
    rows = {row[0]: row for row in drift.table.rows}
    assert rows["users"][1:] == ["40", "50", "+25 %", "▲"]
    assert rows["ratings by group of the music, distance"][3:] == ["40.0 %", "▲"]
    assert rows["ratings by value, distance"][3:] == ["0 %", ""]
