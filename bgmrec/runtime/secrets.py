"""Secrets: the settings name them as `${NAME}`, the environment holds them, and logs show `***` for them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable

from bgmrec.errors import SettingsError
from bgmrec.runtime.logs import logger

NAMED = re.compile(r"\$\{(\w+)\}")


def filled(text: str, where: str) -> tuple[str, tuple[str, ...]]:
    """The text with every `${NAME}` replaced from the environment, and the values that were inserted.

    Args:
        text: of a setting.
        where: key of the setting.

    Raises:
        SettingsError: an environment variable is missing.
    """
    secrets: dict[str, str] = {}
    for name in NAMED.findall(text):
        if not os.environ.get(name):
            raise SettingsError(
                "a secret that the settings name is not in the environment",
                where=where,
                expected=f"environment variable {name}",
                found="nothing",
                hint=f"export {name} from your secret store",
            )
        secrets[name] = os.environ[name]
    return NAMED.sub(lambda match: secrets[match[1]], text), tuple(secrets.values())


def refuse_plain(key: str, where: str) -> SettingsError:
    """The error for a secret that is written in the settings.

    Args:
        key: name of the setting.
        where: file and section.
    """
    return SettingsError(
        "a secret is written in the settings",
        where=where,
        expected="${NAME} of an environment variable",
        found="a plain value",
        hint=f'{key} = "${{MY_SECRET}}", and export MY_SECRET from your secret store',
    )


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with `***` for each secret.

    Args:
        text: any text.
        secrets: values that must not be shown.
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


class WithoutSecrets(logging.Filter):
    """Replaces secrets in log lines and their tracebacks.

    Args:
        secrets: values that must not be shown.
    """

    def __init__(self, secrets: tuple[str, ...]):
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Redacts a record; every record passes."""
        record.msg, record.args = redacted(record.getMessage(), self._secrets), ()
        if record.exc_info:
            record.exc_text = redacted(logging.Formatter().formatException(record.exc_info), self._secrets)
        return True


def redact_logs(secrets: tuple[str, ...]) -> None:
    """Shows `***` for secrets in all log lines from now on.

    Args:
        secrets: values that must not be shown; none: nothing changes.
    """
    if secrets:
        for handler in logger.handlers:
            handler.addFilter(WithoutSecrets(secrets))


def address_of(address: str | None, where: str) -> tuple[str, tuple[str, ...]]:
    """The address of a server with its secrets, and the secrets; log lines are redacted from now on.

    Args:
        address: with `${NAME}` for each secret.
        where: key of the setting.

    Raises:
        SettingsError: there is no address, or the environment lacks a secret.
    """
    if address is None:
        raise SettingsError(
            "the address of a server is not set",
            where=where,
            expected="an address, with ${NAME} of an environment variable for the password",
            found="nothing",
            hint=f"set {where}; conf/README.md has an example",
        )
    text, secrets = filled(address, where)
    redact_logs(secrets)
    return text, secrets
