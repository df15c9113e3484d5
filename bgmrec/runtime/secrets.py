"""Secrets: named in the settings as `${NAME}`, taken from the environment, struck out of logs."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable

from bgmrec.errors import SettingsError

NAMED = re.compile(r"\$\{(\w+)\}")


def filled(text: str, where: str) -> tuple[str, tuple[str, ...]]:
    """The text with every `${NAME}` replaced from the environment, and the values that were filled in.

    Raises:
        SettingsError: the environment lacks one.
    """
    secrets: dict[str, str] = {}
    for name in NAMED.findall(text):
        if not os.environ.get(name):
            raise SettingsError(
                "the settings name a secret that is not there",
                where=where,
                expected=f"environment variable {name}",
                found="nothing",
                hint=f"export {name} from your secret store",
            )
        secrets[name] = os.environ[name]
    return NAMED.sub(lambda match: secrets[match[1]], text), tuple(secrets.values())


def refuse_plain(key: str, where: str) -> SettingsError:
    """The error for a secret that stands in the settings itself."""
    return SettingsError(
        "a secret stands in the settings",
        where=where,
        expected="${NAME} of an environment variable",
        found="a value as it is",
        hint=f'{key} = "${{MY_SECRET}}", and export MY_SECRET from your secret store',
    )


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


class WithoutSecrets(logging.Filter):
    """Strikes secrets out of log lines and their tracebacks."""

    def __init__(self, secrets: tuple[str, ...]):
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage(), self._secrets), ()
        if record.exc_info:
            record.exc_text = redacted(logging.Formatter().formatException(record.exc_info), self._secrets)
        return True
