"""Errors that name what was expected, what was found, where, and the cure; each family has an exit status."""

from __future__ import annotations

EXIT_PUBLISHED = 0
EXIT_UNEXPECTED = 1
EXIT_SETTINGS = 2
EXIT_INPUT = 3
EXIT_QUALITY_GATE = 4
EXIT_TRAINING = 5
EXIT_PUBLISHING = 6
EXIT_BUSY = 7
EXIT_STORAGE = 8


class BgmrecError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        message: what went wrong, in one sentence.
        where: the file, table, column or setting it was found in.
        expected: what would have been right.
        found: what was there instead.
        hint: what the reader can do about it.
    """

    exit_status = EXIT_UNEXPECTED

    def __init__(self, message: str, *, where: str = "", expected: str = "", found: str = "", hint: str = ""):
        self.message, self.where, self.expected, self.found, self.hint = message, where, expected, found, hint
        details = {"where": where, "expected": expected, "found": found, "hint": hint}
        super().__init__("\n".join([message, *(f"  {name}: {text}" for name, text in details.items() if text)]))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.where, self.expected, self.found, self.hint)


def _rebuild(kind: type[BgmrecError], message: str, where: str, expected: str, found: str, hint: str) -> BgmrecError:
    # keyword-only arguments do not survive the default pickling that brings an error back from a worker
    return kind(message, where=where, expected=expected, found=found, hint=hint)


class SettingsError(BgmrecError):
    """A setting is unknown, of the wrong type or impossible."""

    exit_status = EXIT_SETTINGS


class InputError(BgmrecError):
    """An input is missing, unreadable, or breaks the contract of the room it should enter."""

    exit_status = EXIT_INPUT


class QualityGateError(BgmrecError):
    """A check before publishing failed; what was published before stays."""

    exit_status = EXIT_QUALITY_GATE


class TrainingError(BgmrecError):
    """Training could not produce a usable model."""

    exit_status = EXIT_TRAINING


class PublishingError(BgmrecError):
    """The tables were made but could not be switched to."""

    exit_status = EXIT_PUBLISHING


class BusyError(BgmrecError):
    """Another run is at work on the same logical date."""

    exit_status = EXIT_BUSY


class StorageError(BgmrecError):
    """Something cannot be written: mostly a disk that is full."""

    exit_status = EXIT_STORAGE
