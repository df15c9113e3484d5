"""Errors that say what went wrong, where, what was expected and found, and a hint; each family has an exit status."""

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
    """Base of all errors that bgmrec raises.

    Args:
        message: what went wrong, in one sentence.
        where: the file, table, column or setting.
        expected: what would have been right.
        found: what was there instead.
        hint: what the reader can do.
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
    """An input is missing, unreadable, or does not have the form that a stage expects."""

    exit_status = EXIT_INPUT


class QualityGateError(BgmrecError):
    """A check before publishing failed; what was published before stays published."""

    exit_status = EXIT_QUALITY_GATE


class TrainingError(BgmrecError):
    """Training could not produce a usable model."""

    exit_status = EXIT_TRAINING


class PublishingError(BgmrecError):
    """The tables were written but could not be published; what was published before stays published."""

    exit_status = EXIT_PUBLISHING


class BusyError(BgmrecError):
    """Another run is at work on the same logical date."""

    exit_status = EXIT_BUSY


class StorageError(BgmrecError):
    """Storage cannot be used: no space, no permission or no connection."""

    exit_status = EXIT_STORAGE
