"""The encoding of text files: UTF-8 unless the source's `encoding` says otherwise, and checked byte by byte.

Java decodes bytes that are not of the encoding as U+FFFD, which would make two ids one. Such records are rejected.
"""

from __future__ import annotations

from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as f

from bgmrec.errors import InputError, SettingsError

UTF_8 = "UTF-8"
REPLACEMENT = "\ufffd"  # what Java decodes foreign bytes as
BOM = "\ufeff"
UNDECODABLE = "bytes that are not of the file's encoding (set options.encoding of the source)"

# byte order marks; the longer ones first, because UTF-32LE's begins with UTF-16LE's
_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32LE",
    b"\x00\x00\xfe\xff": "UTF-32BE",
    b"\xff\xfe": "UTF-16LE",
    b"\xfe\xff": "UTF-16BE",
    b"\xef\xbb\xbf": UTF_8,
}
_WITHOUT_ORDER = {"UTF-16": "UTF-16BE", "UTF-32": "UTF-32BE"}  # what Java takes where there is no mark


def encoding_said(spark: SparkSession, options: dict[str, str], where: str) -> str:
    """Java's name of the encoding in a source's options.

    Args:
        spark: the session.
        options: of the source.
        where: the source's files, for the error.

    Raises:
        SettingsError: Java has no such encoding.
    """
    said = next((value for key, value in options.items() if key.lower() in ("encoding", "charset")), UTF_8)
    charset: Any = spark.sparkContext._jvm.java.nio.charset.Charset  # type: ignore[union-attr]
    try:
        return str(charset.forName(said).name())
    except (PySparkException, Py4JJavaError) as error:  # a name that is not legal, or not supported
        raise SettingsError(
            "there is no such encoding",
            where=f"options.encoding of the source of {where}",
            expected="a name that Java knows, such as UTF-8, ISO-8859-1, windows-1252, GB18030 or UTF-16",
            found=said,
            hint="correct the name",
        ) from error


def encoding_of(said: str, start: bytes, where: str) -> str:
    """The encoding of one file: a byte order mark decides between the forms of UTF-16 and UTF-32.

    Args:
        said: from `encoding_said`.
        start: the first bytes of the file.
        where: the file, for the error.

    Raises:
        InputError: the file's mark is that of another encoding.
    """
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    if marked is None:
        return _WITHOUT_ORDER.get(said, said)
    if said == marked or (said in _WITHOUT_ORDER and marked.startswith(said)):
        return marked
    if marked == UTF_8:
        return said  # three letters of Latin-1 are no proof
    raise InputError(
        "a file is not of the encoding in the settings",
        where=where,
        expected=f"text in {said}",
        found=f"the byte order mark of {marked}",
        hint=f'set options = {{encoding = "{marked[:6]}"}} for the source',
    )


def is_wide(encoding: str) -> bool:
    """Whether a line ends with more than one byte.

    Args:
        encoding: from `encoding_of`.
    """
    return encoding.startswith(("UTF-16", "UTF-32"))


def undecodable(content: Column, encoding: str) -> Column:
    """Whether bytes are not text in the encoding.

    Args:
        content: binary.
        encoding: Java's name.
    """
    if encoding == UTF_8 and hasattr(f, "is_valid_utf8"):  # since Spark 4, at a fraction of the time
        return ~f.is_valid_utf8(content.cast("string"))
    text = f.decode(content, encoding)
    # only lines with the replacement character are encoded again, which takes most of the time
    return f.when(text.contains(REPLACEMENT), f.encode(text, encoding) != content).otherwise(f.lit(False))
