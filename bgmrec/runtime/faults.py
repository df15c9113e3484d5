"""What Spark, Java and the system raise → errors with a hint: damaged files, full disks, short memory, missing jars."""

from __future__ import annotations

import re

from bgmrec.errors import BgmrecError, InputError, SettingsError, StorageError

_FULL = ("No space left on device", "Disk quota exceeded", "There is not enough space on the disk")
_DAMAGED = (
    "Encountered error while reading file",
    "Error while reading file",
    "FAILED_READ_FILE",
    "CANNOT_READ_FILE_FOOTER",
    "Could not read footer",
    "is not a Parquet file",
    "Unexpected end of input stream",
)
_PARSED = "cannotParseStringAsDataTypeError"  # in the trace of Spark's from_json
# a result that Java has no room to pass on is lost, which is all that the driver says of it
_MEMORY = ("java.lang.OutOfMemoryError", "TaskResultLost")
_LISTENER = "Exception when registering SparkListener"
_FILE = re.compile(r"(?:[a-z][a-z0-9]*:)?/[^\s,;:\"'`]+")


def explained(error: Exception) -> BgmrecError | None:
    """The error that says what it means for the night; none where it may mean anything."""
    text = _text(error)
    full = next((sign for sign in _FULL if sign in text), None)
    if full is not None:
        return StorageError(
            "no space is left where the night writes",
            where=_folder(text, full),
            found=_line(text, full),
            hint="make room there, or move paths.root or spark.local.dir, and give the same command again",
        )
    small = next((sign for sign in _MEMORY if sign in text), None)
    if small is not None:
        return SettingsError(
            "Java has too little memory",
            where='spark.conf."spark.driver.memory", or "spark.executor.memory" where a cluster lost an executor',
            found=_line(text, small),
            hint="raise it, or lower factorize.broadcast_bytes, of which the driver needs several times as much, and "
            "give the same command again: it goes on where this one stopped",
        )
    if _LISTENER in text:
        return SettingsError(
            "Spark finds no such listener",
            where='spark.conf."spark.extraListeners"',
            found=_line(text, "ClassNotFoundException") if "ClassNotFoundException" in text else _line(text, _LISTENER),
            hint="name its jar by spark.jars, or by spark.jars.packages where Maven can be reached; or leave it out",
        )
    if _PARSED in text:
        return InputError(
            "an expression of the settings fails on a value of the data",
            where="from_json",
            expected="numbers where the expression's schema has numbers",
            found=_line(text, "fieldValue") if "fieldValue" in text else _line(text, _PARSED),
            hint="name the column without from_json: fields of type vector and list read JSON text, and count what is "
            "malformed; or let from_json give array<string>",
        )
    damaged = next((sign for sign in _DAMAGED if sign in text), None)
    if damaged is None:
        return None
    return InputError(
        "a file is damaged",
        where=_folder(text, damaged),
        expected="a whole file, as Spark wrote it",
        found=_line(text, damaged),
        hint="if it is a working table, run the job of the stage that writes it again for the same --ds; "
        "if it is a raw file, deliver it again",
    )


def _text(error: BaseException | None) -> str:
    """The messages of an error and of all that it came from."""
    parts = []
    while error is not None:
        parts.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def _line(text: str, sign: str) -> str:
    return next(line.strip() for line in text.splitlines() if sign in line)[:500]


def _folder(text: str, sign: str) -> str:
    """The path on the line of the sign, else the first path that is spoken of."""
    for part in (_line(text, sign), text):
        found = _FILE.search(part)
        if found is not None:
            return found.group().rstrip(".)]")
    return ""
