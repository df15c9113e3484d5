"""A run stays published if its report fails."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest

from bgmrec.errors import SettingsError
from bgmrec.runtime.logs import configure_logging, logger
from bgmrec.stages import summary


@pytest.mark.parametrize("error", [SettingsError("no matplotlib", hint="pip install"), RuntimeError("no disk")])
def test_a_failed_report_is_logged_and_changes_nothing(error, monkeypatch):
    def fail(run):
        raise error

    monkeypatch.setattr(summary.report, "report", fail)
    out = io.StringIO()
    configure_logging("json", out)
    try:
        summary._make_page(SimpleNamespace(ds="2025-01-06"))
    finally:
        logger.handlers.clear()
        logger.propagate = True
    (line,) = out.getvalue().splitlines()
    entry = json.loads(line)
    message = entry["message"]
    assert entry["level"] == "error" and error.args[0].splitlines()[0] in message
    assert "the run is published" in message and "--ds 2025-01-06" in message and "report.enabled = false" in message
    assert ("traceback" in entry) == isinstance(error, RuntimeError)
