"""A night is published whatever becomes of its report."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bgmrec.errors import SettingsError


@pytest.fixture(autouse=True)
def jobs() -> Iterator[None]:
    place = str(Path(__file__).parents[2] / "jobs")
    sys.path.insert(0, place)
    yield
    sys.path.remove(place)


@pytest.mark.parametrize("error", [SettingsError("no matplotlib", cure="pip install"), RuntimeError("no disk")])
def test_a_report_that_fails_is_said_and_fails_nothing(error, monkeypatch, caplog):
    import summarising

    def fail(run):
        raise error

    monkeypatch.setattr(summarising.report, "report", fail)
    monkeypatch.setattr(logging.getLogger("bgmrec"), "propagate", True)
    summarising._make_page(SimpleNamespace(ds="2025-01-06"))
    (record,) = caplog.records
    said = record.getMessage()
    assert record.levelname == "ERROR" and error.args[0].splitlines()[0] in said
    assert "the night is published" in said and "--ds 2025-01-06" in said and "report.enabled = false" in said
