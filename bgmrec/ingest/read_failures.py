"""Spark's failures over raw files as errors for the reader; without values where the rows hold raw ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from bgmrec.errors import BgmrecError, InputError, SettingsError, StorageError
from bgmrec.runtime.failures import known_failure
from bgmrec.storage.files import literal

# how Spark begins its messages about files that it cannot read
_DAMAGED = (
    "CSV header does not conform",
    "FAILED_READ_FILE",
    "Encountered error while reading file",
    "Unexpected end of input stream",
    "incorrect header check",
    "invalid stored block lengths",
    "invalid block type",
    "incorrect data check",
    "not a gzip file",
)
# code that reads files: it stands in the trace of a failure that none of these messages tells
_READERS = ("org.apache.hadoop.io.compress.", "org.apache.parquet.", "com.univocity.", "com.fasterxml.jackson.")
# how Spark begins its messages about an expression that fails on a value
_FAILED_EXPRESSION = (
    "java.lang.ArithmeticException",
    "[ARITHMETIC_OVERFLOW]",
    "[DATETIME_OVERFLOW]",
    "[USER_RAISED_EXCEPTION]",
    "[CAST_",
)
_COMPRESSED = ("gz", "bz2", "zst", "deflate", "snappy", "lz4")
_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)*)\]")  # the name that Spark gives an error


def read_failures(
    spark: SparkSession, where: str, files: Callable[[], list[str]], *, withheld: bool
) -> AbstractContextManager[None]:
    """Turns Spark's failures to read raw files, which come only once a job runs, into errors for the reader.

    Args:
        spark: the session.
        where: the settings that name the files, or their paths.
        files: lists the files that are read, as URIs; called after a failure.
        withheld: whether values may not be shown.

    Raises:
        InputError: a header differs from the others of its folder, or a file is damaged.
    """
    return _without_values(spark, where, files) if withheld else _with_message(spark, where, files)


def unreadable(where: str, found: str) -> InputError:
    """The error that raw files cannot be read.

    Args:
        where: the files.
        found: Spark's message.
    """
    return InputError(
        "raw files cannot be read",
        where=where,
        expected="files of the format and options in the settings, with one header in a folder",
        found=found.strip()[:1000],
        hint="compare the file with format, options and columns of its source, or move the damaged file away",
    )


def _root_cause(text: str) -> str:
    """Java's last cause, without its trace."""
    return text.rpartition("Caused by: ")[2].strip()


def _failed_expression(where: str, found: str) -> InputError:
    return InputError(
        "an expression fails on a value",
        where=where,
        expected="expressions that give null for bad values",
        found=found[:1000],
        hint="compare the unit of times with the function that reads them (timestamp_seconds, timestamp_millis, …), or "
        "guard the expression, for example with try_add or case when",
    )


@contextmanager
def _with_message(spark: SparkSession, where: str, files: Callable[[], list[str]]) -> Iterator[None]:
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        if isinstance(known := known_failure(error), StorageError):  # permissions, the network or a full disk
            raise known from error
        text = str(error)
        if (failed := next((sign for sign in _FAILED_EXPRESSION if sign in text), None)) is not None:
            raise _failed_expression(where, text[text.index(failed) :].partition("\n")[0]) from error
        cause = next((text[text.index(sign) :] for sign in _DAMAGED if sign in text), None)
        if cause is None and not any(reader in text for reader in _READERS):
            raise
        damaged = _damaged(spark, files())
        raise unreadable(", ".join(damaged) or where, (cause or _root_cause(text)).partition("\n\tat ")[0]) from error


@contextmanager
def _without_values(spark: SparkSession, where: str, files: Callable[[], list[str]]) -> Iterator[None]:
    """The same for rows with raw ids: neither the error nor Java's log quotes Spark's message.

    Java's log is off inside, because a failed task writes the value that it failed on there.
    """
    failure: BgmrecError | None = None
    spark.sparkContext.setLogLevel("OFF")
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        failure = _withheld(error, ", ".join(_damaged(spark, files())) or where)
    finally:
        spark.sparkContext.setLogLevel("ERROR")
    if failure is not None:
        raise failure from None  # the traceback would show Spark's message as its context


def _withheld(error: Exception, where: str) -> BgmrecError:
    cause = known_failure(error)
    if isinstance(cause, StorageError | SettingsError):  # they quote paths and settings, no rows
        return cause
    condition = _CONDITION.search(str(error))
    kind = condition[1] if condition else type(error).__name__
    return InputError(
        "raw files cannot be read, or an expression fails on a value",
        where=where,
        expected="files of the format and options in the settings, and expressions that give null for bad values",
        found=f"{kind}; Spark's message is withheld because it may hold raw ids (an expression calls pseudonym())",
        hint="compare headers, format and options of the source with its files; to read the message, run the job on "
        "invented rows",
    )


def _damaged(spark: SparkSession, paths: list[str]) -> list[str]:
    """The compressed files that cannot be unpacked: Spark's message does not name the file."""
    damaged = []
    for path in paths:
        if path.rsplit(".", 1)[-1].lower() in _COMPRESSED:
            try:
                spark.read.text(literal(unquote(path))).count()  # Spark lists files as encoded URIs
            except (PySparkException, Py4JJavaError):
                damaged.append(path)
    return damaged
