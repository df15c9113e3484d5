"""The table format that the settings ask for, and what is refused before Spark starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlparse

from bgmrec.config import Settings
from bgmrec.config.serving import PublishSettings
from bgmrec.errors import SettingsError
from bgmrec.publish.formats.base import PARQUET
from bgmrec.publish.formats.lakehouse import Lakehouse
from bgmrec.runtime.secrets import filled

_LIBRARIES = {"delta": "deltalake", "iceberg": "pyiceberg"}
# delta-rs and pyiceberg commit without a rename: by a hard link, a conditional write or the catalogue. They take other
# names of file systems for folders, or do not know them
_SCHEMES = ("", "file", "hdfs", "s3a", "s3", "s3n", "gs")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._~:/@+,-]")


def table_format(publish: PublishSettings) -> Lakehouse | None:
    """The format of `publish.format`; None: plain Parquet.

    Args:
        publish: `[publish]`.

    Raises:
        SettingsError: the environment lacks a secret.
    """
    if publish.format == PARQUET:
        return None
    options, secrets = _options(publish)
    if publish.format == "delta":
        from bgmrec.publish.formats.delta import Delta  # of an extra

        return Lakehouse(Delta(options), secrets)
    from bgmrec.publish.formats.iceberg import Iceberg  # of an extra

    return Lakehouse(Iceberg(options, publish.database), secrets)


def refuse_unusable(settings: Settings) -> tuple[str, ...]:
    """Refuses a format that this machine cannot write; returns the secrets of the format.

    Args:
        settings: `[publish]` and `[paths]` of them.

    Raises:
        SettingsError: the format's library is not installed, a secret is missing in the environment, the library does
            not commit on the file system of the root, or the root has characters with which readers of the format do
            not find the files.
    """
    publish = settings.publish
    if publish.format == PARQUET:
        return ()
    library = _LIBRARIES[publish.format]
    if find_spec(library) is None:
        raise SettingsError(
            f"the library of publish.format = {publish.format} is not installed",
            where="publish.format",
            expected=f"the package {library}",
            found="no such package in this Python",
            hint=f"pip install '.[{publish.format}]', or set publish.format = \"parquet\"",
        )
    url = urlparse(settings.paths.root)
    if url.scheme not in _SCHEMES:
        raise SettingsError(
            f"{library} does not commit {publish.format} tables on this file system",
            where="paths.root",
            expected=f"a local path, or one of {', '.join(f'{scheme}://' for scheme in _SCHEMES if scheme)}",
            found=f"{url.scheme}://",
            hint='name the file system behind a mount by its own address, or set publish.format = "parquet"',
        )
    root = settings.paths.root if url.scheme not in ("", "file") else str(Path(url.path).absolute())
    if unusual := sorted(set(_NOT_PLAIN.findall(root))):
        raise SettingsError(
            f"readers of {publish.format} tables do not find files below this root",
            where="paths.root",
            expected="a path of letters and digits of ASCII, and - _ . / : ~ @ + ,",
            found=f"{root}, with {' '.join(map(repr, unusual))}",
            hint="choose another root: these readers take characters that URIs escape for others",
        )
    return _options(publish)[1]


def _options(publish: PublishSettings) -> tuple[dict[str, str], tuple[str, ...]]:
    """The options of the format's library with their secrets, and the secrets."""
    if publish.format == "delta":
        return _filled(publish.delta.storage_options, "publish.delta.storage_options")
    return _filled(publish.iceberg.catalog, "publish.iceberg.catalog")


def _filled(options: Mapping[str, str], where: str) -> tuple[dict[str, str], tuple[str, ...]]:
    texts = {name: filled(value, f"{where}.{name}") for name, value in options.items()}
    secrets = tuple(secret for _, of_text in texts.values() for secret in of_text)
    return {name: text for name, (text, _) in texts.items()}, secrets
