"""Errors become exit statuses; those that Spark brings back from workers as text too."""

import subprocess
import sys

import pytest

from bgmrec import errors
from bgmrec.job import guarded


def raising(error: BaseException) -> int:
    def body() -> None:
        raise error

    return guarded(body)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.SettingsError("x"), 2),
        (errors.InputError("x"), 3),
        (errors.QualityGateError("x"), 4),
        (errors.TrainingError("x"), 5),
        (errors.PublishingError("x"), 6),
        (ValueError("x"), 1),
        (KeyboardInterrupt(), 1),
    ],
)
def test_each_error_has_its_status(error: BaseException, status: int) -> None:
    assert raising(error) == status


def test_an_error_from_a_worker_keeps_its_family_and_its_message(caplog: pytest.LogCaptureFixture) -> None:
    told = (
        "An exception was thrown from the Python worker:\nTraceback (most recent call last):\n"
        '  File "solve.py", line 9\nbgmrec.errors.TrainingError: a row could not be solved\n  where: block 3\n'
        "\n\tat java"
    )
    with caplog.at_level("ERROR", logger="bgmrec"):
        assert raising(RuntimeError(told)) == errors.EXIT_TRAINING
    assert caplog.messages == ["a row could not be solved\n  where: block 3"]


def test_nothing_raised_is_published() -> None:
    assert guarded(lambda: None) == errors.EXIT_PUBLISHED


def test_a_reader_who_has_seen_enough_is_no_failure_to_tell_of() -> None:
    job = "from bgmrec.command import guarded\nraise SystemExit(guarded(lambda: print('line\\n' * 100_000)))\n"
    with subprocess.Popen([sys.executable, "-c", job], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == errors.EXIT_UNEXPECTED


def test_a_pipe_that_is_not_our_output_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    assert raising(BrokenPipeError("to a worker")) == errors.EXIT_UNEXPECTED
    assert "unexpected BrokenPipeError: to a worker" in caplog.text
