"""What Spark says of damaged files, full disks and short memory becomes an error with a place, a cure and a status."""

import errno

import pytest

from bgmrec import errors
from bgmrec.runtime.command import guarded
from bgmrec.runtime.faults import explained

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
        (RuntimeError("Lost task 0.0: java.lang.OutOfMemoryError: Java heap space"), 2, ""),
        (OSError(errno.ENOSPC, "No space left on device", "/data/work/x.json"), 8, "/data/work/x.json"),
        (RuntimeError("Encountered error while reading file s3a://b/part-1.gz. Details:"), 3, "s3a://b/part-1.gz"),
    ],
)
def test_known_faults_have_their_place_and_status(error: Exception, status: int, where: str) -> None:
    known = explained(error)
    assert known is not None and known.exit_status == status and known.hint
    if where:
        assert known.where == where

    def body() -> None:
        raise error

    assert guarded(body) == status


def test_the_cause_is_looked_at_too() -> None:
    try:
        try:
            raise RuntimeError(FULL)
        except RuntimeError as cause:
            raise ValueError("a table could not be written") from cause
    except ValueError as error:
        assert isinstance(explained(error), errors.StorageError)


def test_anything_else_stays_unexpected() -> None:
    assert explained(ValueError("a bug")) is None
