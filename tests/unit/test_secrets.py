"""Secrets come from the environment and do not appear in errors and logs."""

from __future__ import annotations

import io
import logging

import pytest

from bgmrec.errors import SettingsError
from bgmrec.runtime.logs import configure_logging, logger
from bgmrec.runtime.secrets import WithoutSecrets, filled, redacted


def test_every_name_is_replaced_and_a_missing_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "o'n{e}")
    monkeypatch.setenv("TWO", "2")
    monkeypatch.delenv("THREE", raising=False)
    assert filled("a ${ONE} b ${TWO} c ${ONE} $TWO", "here") == ("a o'n{e} b 2 c o'n{e} $TWO", ("o'n{e}", "2"))
    assert filled("nothing", "here") == ("nothing", ())
    with pytest.raises(SettingsError) as caught:
        filled("${THREE}", "here")
    assert (caught.value.where, caught.value.expected) == ("here", "environment variable THREE")


def test_secrets_are_replaced_in_texts_and_log_lines() -> None:
    assert redacted("user me, password hunter2", ("hunter2", "me,")) == "user *** password ***"
    record = logging.LogRecord("bgmrec", logging.INFO, "", 0, "at %s with %d tries", ("hunter2", 3), None)
    assert WithoutSecrets(("hunter2",)).filter(record)
    assert record.getMessage() == "at *** with 3 tries"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_holds_no_secret_either(log_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "hunter2")
    out = io.StringIO()
    configure_logging(log_format, out)
    try:
        logger.handlers[0].addFilter(WithoutSecrets(("hunter2",)))
        try:
            raise ValueError(f"no host in redis://:{filled('${ONE}', '')[0]}@")
        except ValueError as error:
            logger.error("unexpected: %s", error, exc_info=error)
    finally:
        logger.handlers.clear()
        logger.propagate = True
    assert "hunter2" not in out.getvalue() and "Traceback" in out.getvalue() and out.getvalue().count("***") == 2
