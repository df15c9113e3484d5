"""Failures of Spark, Java and storage become errors that say where, with a hint and an exit status."""

import errno
import sys

import pytest

from bgmrec import errors
from bgmrec.runtime.command import guarded
from bgmrec.runtime.failures import known_failure

FOOTER = (
    "An error occurred while calling o99.parquet.\n: org.apache.spark.SparkException: [CANNOT_READ_FILE_FOOTER] "
    "Could not read footer for file: file:/data/work/ds=2025-01-06/items/part-00000-c000.zstd.parquet.\n\tat java.base"
)
VALUE = (
    "Job aborted due to stage failure: org.apache.spark.SparkException: [INTERNAL_ERROR] Undefined error message "
    "parameter. Parameters: Map(fieldName -> null, fieldValue -> loud, token -> VALUE_STRING, dataType -> FloatType)\n"
    "\tat org.apache.spark.sql.errors.QueryExecutionErrors$.cannotParseStringAsDataTypeError(…)"
)
FULL = "Job aborted due to stage failure\njava.io.IOException: No space left on device\n\tat java.base"
LOST = "Lost task 1.0 in stage 44.0 (TID 143): TaskResultLost (result lost from block manager)\nDriver stacktrace:"


@pytest.mark.parametrize(
    ("error", "status", "where"),
    [
        (RuntimeError(FOOTER), 3, "file:/data/work/ds=2025-01-06/items/part-00000-c000.zstd.parquet"),
        (RuntimeError(FULL), 8, ""),
        (RuntimeError(VALUE), 3, "from_json"),
        (RuntimeError(LOST), 2, ""),
        (ModuleNotFoundError("No module named 'torch'"), 2, sys.executable),
        (RuntimeError("Lost task 0.0: java.lang.OutOfMemoryError: Java heap space"), 2, ""),
        (OSError(errno.ENOSPC, "No space left on device", "/data/work/x.json"), 8, "/data/work/x.json"),
        (RuntimeError("Encountered error while reading file s3a://b/part-1.gz. Details:"), 3, "s3a://b/part-1.gz"),
        (OSError(errno.EACCES, "Permission denied", "/data/work/x.json"), 8, "/data/work/x.json"),
    ],
)
def test_a_known_failure_says_where_and_has_a_status(error: Exception, status: int, where: str) -> None:
    failure = known_failure(error)
    assert failure is not None and failure.exit_status == status and failure.hint
    if where:
        assert failure.where == where

    def body() -> None:
        raise error

    assert guarded(body) == status


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        ("org.apache.hadoop.security.AccessControlException: Permission denied: user=etl, access=READ", "permission"),
        ("java.nio.file.AccessDeniedException: s3a://b/part-1.gz: getFileStatus: 403 Forbidden", "permission"),
        ("java.net.UnknownHostException: namenode.example", "cannot be reached"),
        ("java.net.SocketTimeoutException: 60000 millis timeout while waiting for channel", "cannot be reached"),
        ("java.io.FileNotFoundException: File file:/data/part-1.gz does not exist", "missing"),
        ("java.io.EOFException: Unexpected end of input stream", "damaged"),
    ],
)
def test_what_keeps_a_file_from_being_read_is_told_apart(cause: str, message: str) -> None:
    """Spark puts the same sentence before each of them."""
    failure = known_failure(RuntimeError(f"FAILED_READ_FILE: Error while reading file file:/data/part-1.gz.\n{cause}"))
    assert failure is not None and message in failure.message
    hints = {known_failure(RuntimeError(text)).hint for text in ("java.net.ConnectException", "Access Denied", FOOTER)}
    assert len(hints) == 3


def test_a_driver_that_lost_its_java_is_no_network_failure() -> None:
    assert known_failure(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")) is None


def test_an_error_of_ours_is_itself_and_one_from_a_worker_is_rebuilt() -> None:
    error = errors.BusyError("x")
    assert known_failure(error) is error
    failure = known_failure(RuntimeError("Traceback:\nbgmrec.errors.StorageError: full\n  where: /tmp\n\n\tat java"))
    assert isinstance(failure, errors.StorageError) and str(failure) == "full\n  where: /tmp"
    assert known_failure(RuntimeError("bgmrec.errors.NoSuchError: x")) is None


def test_the_cause_is_looked_at_too() -> None:
    try:
        try:
            raise RuntimeError(FULL)
        except RuntimeError as cause:
            raise ValueError("a table could not be written") from cause
    except ValueError as error:
        assert isinstance(known_failure(error), errors.StorageError)


def test_anything_else_stays_unexpected() -> None:
    assert known_failure(ValueError("a bug")) is None
