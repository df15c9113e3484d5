"""The paper's experiments on few ratings, and their page in the browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from tests.browser.test_report import assert_figures_have_texts, assert_fits, browser, opened  # noqa: F401
from tests.e2e.nights import LAST_DAY, night_arguments, run_job, small_world

FEW = (
    "study.paper={fractions=[0.7], fraction=0.7, ranks=[2], regularisations=[0.3], burn_in=2, draws=2,"
    ' models=["pmf","bayes"], side_information=["none"]}'
)
Made = tuple[list[dict[str, Any]], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """(JSON lines of the study, its page); run once."""
    folder = tmp_path_factory.mktemp("paper")
    out, page = folder / "paper.jsonl", folder / "paper.html"
    arguments = night_arguments(small_world(folder / "world"), folder / "root", LAST_DAY, FEW)
    run_job("study", "paper", *arguments, "--seeds", "0", "--json", str(out), "--report", str(page))
    return [json.loads(line) for line in out.read_text().splitlines()], page


def test_all_experiments_have_results(made: Made) -> None:
    lines = made[0]
    random = [line for line in lines if line["protocol"] == "random" and line["side_information"] == "real"]
    assert [line["model"] for line in random] == ["pmf", "bayes", "rank=2", "regularisation×0.3", "both"]
    assert [line["model"] for line in lines if line["protocol"] == "cold"] == ["pmf", "bayes"]
    assert [line["model"] for line in lines if line["side_information"] == "none"] == ["both"], "to compare with"
    evaluated = [line for line in lines if line["protocol"] == "random"]
    assert all(0.2 < line["rmse"] < 3 for line in evaluated)
    assert len({line["rmse"] for line in evaluated}) == len(evaluated), "every model is another one"
    assert all(line["ratings"] > 0 and line["round_seconds"] > 0 for line in lines)


def test_its_page_opens(browser: webdriver.Chrome, made: Made) -> None:  # noqa: F811
    assert opened(browser, made[1]) == []
    assert browser.get_log("browser") == []
    assert_fits(browser)
    assert_figures_have_texts(browser, least=8)
