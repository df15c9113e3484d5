"""Errors become exit statuses; those that Spark brings back from workers as text too."""

import subprocess
import sys

import pytest

from bgmrec import errors
from bgmrec.runtime.command import guarded


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
    message = (
        "An exception was thrown from the Python worker:\nTraceback (most recent call last):\n"
        '  File "solve.py", line 9\nbgmrec.errors.TrainingError: a row could not be solved\n  where: block 3\n'
        "\n\tat java"
    )
    with caplog.at_level("ERROR", logger="bgmrec"):
        assert raising(RuntimeError(message)) == errors.EXIT_TRAINING
    assert caplog.messages == ["a row could not be solved\n  where: block 3"]


def test_nothing_raised_is_published() -> None:
    assert guarded(lambda: None) == errors.EXIT_PUBLISHED


@pytest.mark.parametrize(
    ("body", "message"),
    [("print('line\\n' * 100_000)", b""), ("print('line', flush=True); sys.stdin.read(); 1 / 0", b"division by zero")],
)
def test_closed_output_is_not_reported_and_other_failures_are(body: str, message: bytes) -> None:
    job = f"import sys\nfrom bgmrec.runtime.command import guarded\ndef body():\n    {body}\nsys.exit(guarded(body))\n"
    with subprocess.Popen(
        [sys.executable, "-c", job], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdin.close()
        log = process.stderr.read()
        assert message in log and bool(message) == bool(log)
    assert process.returncode == errors.EXIT_UNEXPECTED


def test_a_pipe_that_is_not_our_output_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    assert raising(BrokenPipeError("to a worker")) == errors.EXIT_UNEXPECTED
    assert "unexpected BrokenPipeError: to a worker" in caplog.text
