"""Reports in a real browser: headless Chromium opens them from disk at the widths of a desk and of a phone.

make test-report                                             reports of the demo and of KuaiRand, hostile data
BGMREC_REPORTS=FOLDER python -m pytest tests/browser         all reports in another folder
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from bgmrec.report.page import charts, page
from tests.unit.run_facts import HOSTILE, run_facts

ROOT = Path(__file__).resolve().parents[2]
RUNS = {"demo": "demo/bgmrec", "kuairand": "kuairand"}
WIDTHS = {"desk": (1280, 900), "phone": (390, 844)}
# Debian's browser without a display, as root, without background requests
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
Open = Callable[[Path], webdriver.Chrome]


def reports() -> list[Any]:
    """The newest report of each run that `make test-report` makes, or all reports of another folder."""
    if folder := os.environ.get("BGMREC_REPORTS"):
        return [pytest.param(path, id=path.stem) for path in sorted(Path(folder).glob("*.html"))] or [None]
    pages = {name: sorted((ROOT / "build" / location / "reports").glob("*.html")) for name, location in RUNS.items()}
    without_data = pytest.mark.skipif(
        not pages["kuairand"], reason="no report of KuaiRand: make test-report makes it if its data are there"
    )
    return [
        pytest.param(pages["demo"][-1] if pages["demo"] else None, id="demo"),
        pytest.param(pages["kuairand"][-1] if pages["kuairand"] else None, id="kuairand", marks=without_data),
    ]


@pytest.fixture(scope="module", params=list(WIDTHS))
def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    width, height = WIDTHS[request.param]
    driver = shutil.which("chromedriver")
    assert driver, "apt-get install chromium chromium-driver"
    options = Options()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with hostile titles, ids and records."""
    facts = run_facts()
    path = tmp_path_factory.mktemp("hostile") / "hostile.html"
    path.write_text(page.render(facts, charts.sections(facts)), encoding="utf-8")
    return path


def opened(browser: webdriver.Chrome, path: Path) -> list[str]:
    """Opens the page; returns the URLs of all other requests."""
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(path.resolve().as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if url != path.resolve().as_uri()]


def visible(browser: webdriver.Chrome, words: str, kind: str = "people") -> list[str]:
    """Keys of the articles that are visible after a search."""
    box = browser.find_element(By.ID, f"find-{kind}")
    browser.execute_script("arguments[0].value = ''; arguments[0].dispatchEvent(new Event('input'))", box)
    box.send_keys(words)
    articles = browser.find_elements(By.CSS_SELECTOR, f"article[data-of='{kind}']")
    return [one.get_attribute("data-key") or "" for one in articles if one.is_displayed()]


@pytest.mark.parametrize("path", reports())
def test_a_report_opens_from_disk_and_is_complete(browser: webdriver.Chrome, path: Path | None) -> None:
    assert path is not None, "no report to open: make demo, or BGMREC_REPORTS=FOLDER"
    assert opened(browser, path) == []
    assert browser.get_log("browser") == []
    assert path.stat().st_size < 3_000_000
    assert_fits(browser)
    assert_figures_have_texts(browser)


@pytest.mark.parametrize("path", reports())
def test_a_search_finds_its_user_and_shows_why(browser: webdriver.Chrome, path: Path | None) -> None:
    assert path is not None
    opened(browser, path)
    people = browser.find_elements(By.CSS_SELECTOR, "article[data-of='people']")
    last = people[-1].get_attribute("data-key") or ""
    assert visible(browser, last) == [last]
    assert len(visible(browser, "no such user")) == 1, "the last article stays visible"
    assert "Not in the sample" in browser.find_element(By.CSS_SELECTOR, "[data-search=people] [role=status]").text
    warm = browser.find_element(By.CSS_SELECTOR, "article .badge.warm").find_element(By.XPATH, "ancestor::article")
    key = warm.get_attribute("data-key") or ""
    assert visible(browser, key) == [key]
    assert "because of" in warm.text and "their ratings" in warm.text


def test_a_button_shows_its_user(browser: webdriver.Chrome, hostile: Path) -> None:
    opened(browser, hostile)
    buttons = browser.find_elements(By.CSS_SELECTOR, "[data-search=people] button")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", buttons[2])
    buttons[2].click()
    pressed = [button.get_attribute("aria-pressed") for button in buttons]
    assert pressed == ["false", "false", "true", *["false"] * (len(buttons) - 3)]


def test_hostile_data_stay_data(browser: webdriver.Chrome, hostile: Path) -> None:
    assert opened(browser, hostile) == []
    assert browser.get_log("browser") == []
    assert browser.title == "bgmrec 2025-01-06-001"
    assert visible(browser, HOSTILE[0]) == [HOSTILE[0]]
    assert_fits(browser)


def test_dark_and_light_differ_and_print_shows_no_search(browser: webdriver.Chrome, hostile: Path) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        feature: dict[str, Any] = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
        opened(browser, hostile)
        body, text = "document.body", "document.querySelector('svg text')"
        colours = f"return [getComputedStyle({body}).backgroundColor, getComputedStyle({text}).fill]"
        seen[scheme] = browser.execute_script(colours)
    assert all(light != dark for light, dark in zip(*seen.values(), strict=True))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    assert not browser.find_element(By.ID, "find-people").is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def assert_fits(browser: webdriver.Chrome) -> None:
    """The page does not scroll sideways."""
    wide = browser.execute_script("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1]


def assert_figures_have_texts(browser: webdriver.Chrome, least: int = 8) -> None:
    """Every drawing has a text alternative and a table."""
    figures = browser.find_elements(By.TAG_NAME, "figure")
    assert len(figures) >= least
    for one in figures:
        drawing = one.find_element(By.TAG_NAME, "svg")
        assert drawing.get_attribute("role") == "img" and len(drawing.get_attribute("aria-label") or "") > 20
        assert one.find_elements(By.CSS_SELECTOR, "details td")
        assert drawing.size["width"] > 200 and drawing.size["height"] > 80
