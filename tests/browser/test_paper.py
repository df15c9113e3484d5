"""The paper's programme on a few ratings, and its page in the browser."""

from __future__ import annotations

import json
from pathlib import Path

from selenium import webdriver

from tests.browser.test_report import assert_figures_speak, assert_fits, browser, opened  # noqa: F401
from tests.e2e.nights import LAST_DAY, run_job
from tests.e2e.test_study import folder  # noqa: F401

SMALL = 'study.paper={models=["pmf","biased"], fractions=[0.5], fraction=0.5, ranks=[1], regularisations=[0.3]}'


def test_the_programme_runs_and_its_page_opens(browser: webdriver.Chrome, folder: Path) -> None:  # noqa: F811
    out, page = folder / "paper.jsonl", folder / "paper.html"
    where = ["--config", str(folder / "my.toml"), "--data", str(folder), "--root", str(folder / "root")]
    run_job("study", "paper", *where, "--ds", LAST_DAY, "--set", SMALL, "--json", str(out), "--report", str(page))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 2 + 1 + 1 + 2
    assert all(line["rmse"] > 0 for line in lines if line["protocol"] == "random")
    assert all(line["ratings"] > 0 and line["round_seconds"] > 0 for line in lines)
    assert opened(browser, page) == []
    assert browser.get_log("browser") == []
    assert_fits(browser)
    assert_figures_speak(browser, least=6)
