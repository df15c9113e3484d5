"""Turns failures of Spark, Java, storage and the system into errors with a hint.

Each kind is recognised by words of the messages: Spark passes on what happened as text. A message about a file that
cannot be read says nothing of the reason, which stands further down: permissions, the network and missing files are
looked for first.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from bgmrec import errors
from bgmrec.errors import BgmrecError, InputError, SettingsError, StorageError

# how Spark shows an error of ours that a Python worker raised
_FROM_WORKER = re.compile(r"bgmrec\.errors\.(\w+): ")
_PATH = re.compile(r"(?:[a-z][a-z0-9]*:)?/[^\s,;:\"'`]+")
_SAME_COMMAND = "give the same command again: it resumes"


@dataclass(frozen=True)
class _Failure:
    """One kind of failure.

    Args:
        signs: words, one of which is in the messages.
        error: the error, from all messages and the sign.
    """

    signs: tuple[str, ...]
    error: Callable[[str, str], BgmrecError]


def known_failure(error: BaseException) -> BgmrecError | None:
    """The error that explains an exception to the reader; None if it may mean anything.

    Args:
        error: one of bgmrec's errors, which is returned; or an exception of a library or the system. What it was
            raised from is looked at, too.
    """
    if isinstance(error, BgmrecError):
        return error
    if not isinstance(error, Exception):  # an interruption: what it interrupted is not the reason
        return None
    text = _messages(error)
    from_worker = _from_worker(text)
    if from_worker is not None:
        return from_worker
    for failure in _FAILURES:
        sign = next((sign for sign in failure.signs if sign in text), None)
        if sign is not None:
            return failure.error(text, sign)
    return None


def _from_worker(text: str) -> BgmrecError | None:
    """An error of ours that Spark brought back from a worker as text."""
    match = _FROM_WORKER.search(text)
    family = getattr(errors, match.group(1), None) if match else None
    if match is None or family is None:
        return None
    error: BgmrecError = family(text[match.end() :].split("\n\n")[0].strip())
    return error


def _full_disk(text: str, sign: str) -> BgmrecError:
    return StorageError(
        "no space is left where the run writes",
        where=_path(text, sign),
        expected="free space for the tables of the run and for Spark's temporary files",
        found=_line(text, sign),
        hint=f"free space there, or move paths.root or Spark's spark.local.dir; then {_SAME_COMMAND}",
    )


def _short_memory(text: str, sign: str) -> BgmrecError:
    return SettingsError(
        "Java has too little memory",
        where='spark.conf."spark.driver.memory", or "spark.executor.memory" if a cluster lost an executor',
        found=_line(text, sign),
        hint="raise it, or lower factorize.broadcast_bytes, of which the driver needs several times as much; then "
        f"{_SAME_COMMAND}",
    )


def _missing_listener(text: str, sign: str) -> BgmrecError:
    return SettingsError(
        "Spark cannot load a listener of the settings",
        where='spark.conf."spark.extraListeners"',
        expected="the name of a class in one of Spark's jars",
        found=_line(text, "ClassNotFoundException") if "ClassNotFoundException" in text else _line(text, sign),
        hint="add its jar by spark.jars, or by spark.jars.packages if Maven can be reached; or remove the listener",
    )


def _missing_torch(text: str, sign: str) -> BgmrecError:
    return SettingsError(
        "Torch is not installed, and training needs it",
        where=sys.executable,
        expected="the release of torch that conf/constraints.txt names",
        found=_line(text, sign),
        hint=f"install it into this environment, or take a Python for which pip finds a build; then {_SAME_COMMAND}",
    )


def _failed_expression(text: str, sign: str) -> BgmrecError:
    return InputError(
        "from_json in an expression of the settings fails on a value of the data",
        where="from_json",
        expected="numbers where the schema of from_json has numbers",
        found=_line(text, "fieldValue") if "fieldValue" in text else _line(text, sign),
        hint="name the column without from_json: fields of type vector and list read JSON text and count malformed "
        "values; or give from_json the schema array<string>",
    )


def _no_permission(text: str, sign: str) -> BgmrecError:
    return StorageError(
        "permission to read or write is missing",
        where=_path(text, sign),
        expected="a user or an account that may read paths.data and write below paths.root",
        found=_line(text, sign),
        hint=f"check owner, mode and policy of the path and the credentials of this process; then {_SAME_COMMAND}",
    )


def _no_network(text: str, sign: str) -> BgmrecError:
    return StorageError(
        "a machine or a storage service cannot be reached",
        where=_path(text, sign),
        expected="connections between the driver, the executors and the file system of paths.root and paths.data",
        found=_line(text, sign),
        hint=f"check that the service answers from this machine and from the executors; then {_SAME_COMMAND}",
    )


def _missing_file(text: str, sign: str) -> BgmrecError:
    return InputError(
        "a file is missing",
        where=_path(text, sign),
        expected="the file, unchanged while the run reads it",
        found=_line(text, sign),
        hint="if it is a working table, run the job of the stage that writes it again for the same --ds; "
        "if it is a raw file, deliver it again, and not while a run reads it",
    )


def _damaged_file(text: str, sign: str) -> BgmrecError:
    return InputError(
        "a file is damaged",
        where=_path(text, sign),
        expected="a complete file in the format that it was written in",
        found=_line(text, sign),
        hint="if it is a working table, run the job of the stage that writes it again for the same --ds; "
        "if it is a raw file, deliver it again",
    )


# in the order in which they are looked for
_FAILURES = (
    _Failure(("No space left on device", "Disk quota exceeded", "There is not enough space on the disk"), _full_disk),
    # a task result that Java has no memory to pass on is lost, and the driver reports no more than that
    _Failure(("java.lang.OutOfMemoryError", "TaskResultLost"), _short_memory),
    _Failure(("Exception when registering SparkListener",), _missing_listener),
    _Failure(("No module named 'torch'",), _missing_torch),
    _Failure(("cannotParseStringAsDataTypeError",), _failed_expression),  # in the trace of Spark's from_json
    _Failure(
        ("AccessControlException", "AccessDenied", "Access Denied", "Permission denied", "403 Forbidden"),
        _no_permission,
    ),
    # the full names of Java: a Python process that lost its Java says "Connection refused", too
    _Failure(
        (
            "java.net.ConnectException",
            "java.net.NoRouteToHostException",
            "java.net.SocketException",
            "java.net.SocketTimeoutException",
            "java.net.UnknownHostException",
            "org.apache.hadoop.net.ConnectTimeoutException",
            "HttpHostConnectException",
        ),
        _no_network,
    ),
    _Failure(("java.io.FileNotFoundException", "FAILED_READ_FILE.FILE_NOT_EXIST", "PATH_NOT_FOUND"), _missing_file),
    _Failure(
        (
            "Encountered error while reading file",
            "Error while reading file",
            "FAILED_READ_FILE",
            "CANNOT_READ_FILE_FOOTER",
            "Could not read footer",
            "is not a Parquet file",
            "Unexpected end of input stream",
        ),
        _damaged_file,
    ),
)


def _messages(error: BaseException | None) -> str:
    """The messages of an exception and of all that it was raised from."""
    messages = []
    while error is not None:
        messages.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(messages)


def _line(text: str, sign: str) -> str:
    return next(line.strip() for line in text.splitlines() if sign in line)[:500]


def _path(text: str, sign: str) -> str:
    """The path on the line of the sign, else the first path of the messages."""
    for part in (_line(text, sign), text):
        match = _PATH.search(part)
        if match is not None:
            return match.group().rstrip(".)]")
    return ""
