"""The paper's programme on a few ratings, and its page in the browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from tests.browser.test_report import assert_figures_speak, assert_fits, browser, opened  # noqa: F401
from tests.e2e.nights import LAST_DAY, run_job
from tests.nights.test_study import folder  # noqa: F401

SMALL = (
    'study.paper={models=["pmf","biased"], fractions=[0.5], fraction=0.5, ranks=[1], regularisations=[0.3],'
    " side_information=[]}"
)
Made = tuple[list[dict[str, Any]], Path]


@pytest.fixture(scope="module")
def made(folder: Path) -> Made:  # noqa: F811
    """(the programme's lines, its page); run once."""
    out, page = folder / "paper.jsonl", folder / "paper.html"
    where = ["--config", str(folder / "my.toml"), "--data", str(folder), "--root", str(folder / "root")]
    run_job("study", "paper", *where, "--ds", LAST_DAY, "--set", SMALL, "--json", str(out), "--report", str(page))
    return [json.loads(line) for line in out.read_text().splitlines()], page


def test_the_programme_runs_to_its_end(made: Made) -> None:
    lines = made[0]
    random = [line for line in lines if line["protocol"] == "random"]
    assert [line["model"] for line in random] == ["pmf", "biased", "rank=1", "regularisation×0.3"]
    assert [line["model"] for line in lines if line["protocol"] == "cold"] == ["pmf", "biased"]
    assert all(0.2 < line["rmse"] < 3 for line in random)
    assert len({line["rmse"] for line in random}) == len(random), "every model is another one"
    assert all(line["ratings"] > 0 and line["round_seconds"] > 0 for line in lines)


def test_its_page_opens(browser: webdriver.Chrome, made: Made) -> None:  # noqa: F811
    assert opened(browser, made[1]) == []
    assert browser.get_log("browser") == []
    assert_fits(browser)
    assert_figures_speak(browser, least=6)
