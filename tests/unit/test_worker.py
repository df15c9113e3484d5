"""The error of a failed training process is rebuilt from its output."""

from __future__ import annotations

import json
import sys

import pytest
from torch import cuda

from bgmrec.encoders.distributed.worker import ERROR_MARK, _report_error, error_from_output, train
from bgmrec.encoders.fit import FitNumbers
from bgmrec.errors import SettingsError, TrainingError


def _output(error: Exception, rank: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("RANK", str(rank))
    _report_error(type(error), error, error.__traceback__)
    return capsys.readouterr().err


def test_an_error_of_bgmrec_is_rebuilt_and_comes_before_others(monkeypatch, capsys):
    lost = _output(ConnectionError("peer closed"), 0, monkeypatch, capsys)
    cause = _output(SettingsError("too few row groups", where="feed", hint="fewer"), 1, monkeypatch, capsys)
    error = error_from_output(f"Command failed.\n{lost}{cause}")
    assert isinstance(error, SettingsError)
    assert (error.message, error.where, error.hint) == ("too few row groups", "feed", "fewer")


def test_another_error_names_its_process_and_text(monkeypatch, capsys):
    error = error_from_output(_output(ValueError("bad\nshape"), 3, monkeypatch, capsys))
    assert isinstance(error, TrainingError) and error.where == "process 3" and error.found == "ValueError: bad\nshape"


def test_a_killed_process_leaves_its_last_lines():
    error = error_from_output(f"line 1\n{ERROR_MARK}torn {{\nSignal 9 (SIGKILL)")
    assert isinstance(error, TrainingError) and "SIGKILL" in error.found


def test_text_after_the_json_object_is_ignored():
    fields = {"kind": "ValueError", "rank": 0, "message": "x"}
    assert error_from_output(f"{ERROR_MARK}{json.dumps(fields)} at org.apache.spark").found == "ValueError: x"


def test_a_gpu_that_spark_assigned_and_torch_does_not_find_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)  # train sets its own
    with pytest.raises(SettingsError, match=r"Spark assigned a GPU[\s\S]*use_gpu to false"):
        train(b"", open, FitNumbers(epochs=1), 1, 1, use_gpu=True)


def test_the_usual_traceback_is_printed_too(monkeypatch, capsys):
    try:
        raise ValueError("x")
    except ValueError as error:
        assert "Traceback" in _output(error, 0, monkeypatch, capsys)
    assert sys.excepthook is sys.__excepthook__
