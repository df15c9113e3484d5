"""Errors become exit statuses; those that Spark brings back from workers as text too."""

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
