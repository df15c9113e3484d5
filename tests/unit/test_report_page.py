"""The page of a run: complete in itself, safe with hostile data, accessible."""

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
from bgmrec.report.page.input_tables import input_tables
from bgmrec.report.page.lists_section import lists_section
from bgmrec.report.page.parts import Titled
from bgmrec.report.page.quality_section import quality_section
from bgmrec.report.page.style import drawn
from bgmrec.report.score_text import NO_PARTS, NO_TITLES, score_parts_text, sum_text
from tests.unit.run_facts import HOSTILE, run_facts


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
    """(sections, page) of a run; drawn once."""
    facts = run_facts(mode)
    sections = charts.sections(facts)
    return sections, page.render(facts, sections)


@pytest.fixture(params=["explicit", "implicit"])
def run_page(request: pytest.FixtureRequest) -> tuple[list[Any], str]:
    return of_mode(request.param)


def test_nothing_of_the_data_becomes_an_element(run_page: tuple[list[Any], str]) -> None:
    read = Read(run_page[1])
    assert len(read.of("script")) == 1
    assert not read.of("img")
    handlers = [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert not handlers
    text = "".join(read.text)
    assert HOSTILE[0] in text and HOSTILE[2] in text, "a title is shown as it is"
    assert "\x00" not in run_page[1] and "\x1b" not in run_page[1]
    assert "49" not in re.findall(r"\$.{0,20}", text)[0], "no template runs inside a title"


def test_nothing_is_fetched_and_only_the_pages_own_script_may_run(run_page: tuple[list[Any], str]) -> None:
    read = Read(run_page[1])
    for _, attributes in read.elements:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#"), attributes
    assert "@import" not in run_page[1] and not re.search(r"url\((?!#)", run_page[1])
    policy = next(meta["content"] for meta in read.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    script = re.search(r"<script>(.*?)</script>", run_page[1], re.S)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_every_figure_has_a_text_alternative_and_a_table_of_its_numbers(
    run_page: tuple[list[Any], str],
) -> None:
    read = Read(run_page[1])
    drawings, figures = read.of("svg"), list(charts.figures(run_page[0]))
    assert len(drawings) == len(figures) >= 10
    assert all(svg["role"] == "img" and len(svg["aria-label"]) > 20 for svg in drawings)
    assert len(read.of("details")) == len(figures)
    assert all(figure.table.rows and len(figure.table.rows[0]) == len(figure.table.heads) for figure in figures)
    assert all(figure.pictures.png.startswith(b"\x89PNG") for figure in figures)


def test_ids_are_unique_and_links_lead_somewhere(run_page: tuple[list[Any], str]) -> None:
    read = Read(run_page[1])
    ids = [attributes["id"] for _, attributes in read.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in read.of("a")} <= set(ids)


def test_colours_of_charts_follow_the_page(run_page: tuple[list[Any], str]) -> None:
    for figure in charts.figures(run_page[0]):
        colours = set(re.findall(r"#[0-9a-f]{6}\b", figure.pictures.inline))
        assert colours <= {"#000000"}, f"{figure.name}: {colours}"  # hatches take the colour of the edge


def test_modes_show_what_they_have() -> None:
    shown = {mode: {figure.name for figure in charts.figures(of_mode(mode)[0])} for mode in ("explicit", "implicit")}
    assert shown["explicit"] - shown["implicit"] == {"calibration", "errors-users", "errors-tracks"}


def test_the_parts_of_a_score_are_shown_with_their_signs() -> None:
    row = {"score": 0.9, "why": run_facts()["people"][0]["list"][0]["why"]}
    parts = score_parts_text(row)
    assert [(part["key"], part["amount"]) for part in parts] == [("ratings", 0.7), ("prior", 0.3), ("item", -0.1)]
    assert sum(part["share"] for part in parts) == pytest.approx(1.0)
    assert sum_text(row) == "0.900 = 0.700 their ratings + 0.300 side information − 0.100 the track itself"


def test_the_page_of_a_run_without_held_out_ratings_says_so() -> None:
    facts = run_facts("implicit")
    facts["quality"] = {"rows": [], "history": facts["quality"]["history"], "best_round": 3}
    facts["lists"] = {"sources": {"warm": 1}}
    facts["runs"] = {"course": facts["runs"]["course"][1:], "before": None}
    facts["map"], facts["tracks"] = {}, []
    content = page.render(facts, charts.sections(facts))
    assert "No ratings were held out" in content and "no report of this version" in content
    assert 'href="#tracks"' not in content


def test_the_page_of_a_sampled_model_says_why_scores_have_no_parts() -> None:
    facts = run_facts("explicit")
    facts["run"]["draws"] = 20
    for person in facts["people"]:
        person["list"] = [{name: value for name, value in row.items() if name != "why"} for row in person["list"]]
    texts = [
        " ".join(Read(content).text) for content in (page.render(facts, [lists_section(facts)]), of_mode("explicit")[1])
    ]
    assert [text.count(NO_PARTS) for text in texts] == [1, 0]
    assert ["the parts that its score is the sum of" in text for text in texts] == [False, True]


def test_a_panel_names_its_models_unless_they_are_those_of_the_panel_on_its_left() -> None:
    estimate = Estimate(0.5, 0.4, 0.6)
    rows = {"rmse": ("bgmrec", "bias"), "mae": ("bgmrec", "bias"), "ndcg": ("bgmrec",), "recall": ("bgmrec", "bias")}
    with drawn(6, 4) as drawing:
        draw.intervals(drawing, {metric: dict.fromkeys(models, estimate) for metric, models in rows.items()})
        named = [[label.get_text() for label in ax.get_yticklabels()] for ax in drawing.axes]
    assert named == [["bgmrec", "bias"], ["", ""], ["bgmrec"], ["bgmrec", "bias"]]


def test_lists_that_are_not_published_are_marked() -> None:
    facts = run_facts("implicit")
    assert not [text for text in lists_section(facts).missing if "publish.tables" in text]
    del facts["run"]["published"]["recommendations"]
    assert [text for text in lists_section(facts).missing if "leaves recommendations out" in text]


def test_the_first_sentence_names_the_best_baseline_and_its_adjusted_p_value() -> None:
    lead = of_mode("implicit")[0][0].lead
    assert "NDCG@10 is 0.120" in lead and "33 % better than the best baseline, als" in lead
    assert "p = 0.012, adjusted for 2 comparisons" in lead
    facts = run_facts("implicit")
    facts["quality"]["ranking"]["ndcg"]["als"]["lead"]["adjusted_p"] = 0.4  # p alone is still small
    section = quality_section(facts)
    assert "not significantly different" in section.lead
    assert [tile.mood for tile in section.tiles] == ["like"]


def test_the_page_says_that_the_held_out_ratings_have_chosen_the_model() -> None:
    section = of_mode("implicit")[0][0]
    words = "have chosen the best training round"
    assert words in section.lead
    figure = next(figure for figure in charts.figures([section]) if figure.name == "metrics")
    assert words in figure.note and "adjusted p" in figure.table.heads
    assert "Holm" in figure.table.note and "not corrected" in figure.table.note


def test_lists_on_later_days_are_shown_and_otherwise_the_reason() -> None:
    section = of_mode("implicit")[0][0]
    figure = next(figure for figure in charts.figures([section]) if figure.name == "later-days")
    assert "run 2025-01-03-001" in figure.note and "the 3 days after it, up to 2025-01-06" in figure.note
    assert "No choice has used these ratings" in figure.note
    assert {row[1] for row in figure.table.rows} == {"bgmrec", "popularity"}
    facts = run_facts("implicit")
    facts["later"] = {"missing": "No run of that time is left."}
    without = quality_section(facts)
    assert "later-days" not in {figure.name for figure in charts.figures([without])}
    assert any("No run of that time is left." in text for text in without.missing)


def test_a_page_without_a_title_field_says_how_to_set_one() -> None:
    facts = run_facts("implicit")
    assert NO_TITLES not in of_mode("implicit")[1]
    facts["run"]["title_field"] = None
    assert NO_TITLES in page.render(facts, [lists_section(facts)])


def test_every_metric_of_the_page_is_explained() -> None:
    section = of_mode("explicit")[0][0]
    texts = next(b for b in section.blocks if isinstance(b, Titled) and "mean" in b.title)
    assert [row[0] for row in texts.table.rows] == ["NDCG@10", "RMSE"]


def test_slices_are_named_by_their_kind_and_sorted() -> None:
    figure = next(figure for figure in charts.figures(of_mode("implicit")[0]) if figure.name == "slices")
    names = [row[0] for row in figure.table.rows]
    assert names == [
        "warm tracks",
        "warm users",
        "cold users",
        "popularity 2/10",
        "popularity 10/10, highest",
        "activity 1/10, lowest",
    ]


def test_changes_since_the_previous_run_are_marked() -> None:
    drift = next(b for b in of_mode("explicit")[0][2].blocks if isinstance(b, Titled) and "changed" in b.title)
    rows = {row[0]: row for row in drift.table.rows}
    assert rows["users"][1:] == ["40", "50", "+25 %", "▲"]
    assert rows["ratings by group of the tracks, distance"][3:] == ["40.0 %", "▲"]
    assert rows["ratings by value, distance"][3:] == ["0 %", ""]


def test_the_input_is_compared_with_the_nights_before() -> None:
    tables = {block.title: block.table.rows for block in input_tables(run_facts()["summary"])}
    changes, deliveries, fields = tables.values()
    assert [row[1:] for row in changes] == [
        ["stability index of rating", "", "", "0.610", "0.250", "▲"],
        ["share of new user_id", "10.0 %", "20.0 %", "10.0 points", "20.0 points", ""],
        ["rows kept", "100", "90", "1.11 ×", "off", ""],
    ]
    assert deliveries[0][:3] == ["ratings: log", "csv UTF-8 (2)", "user_id"]
    assert fields[0][1] == "rating" and fields[0][3:] == ["10.0 %", "1.00", "4.00", "5.00"]
    assert fields[1][-1] == "2025-01-06 23:59:58"
    assert list(input_tables({"ingest_ratings": {"rows_in": 1}})) == [], "a run of an earlier version"
