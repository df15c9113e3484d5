"""Keyed hashes that stand for user ids: the crawl stores them, and a rating log's mapping can make the same ones."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

from bgmrec.errors import SettingsError

KEY_VARIABLE = "BGMREC_PSEUDONYM_KEY"
MINIMUM_KEY = 16  # characters: a shorter key can be tried out


def pseudonymizer(key: str | None) -> Callable[[str], str]:
    """The function id → HMAC-SHA256(key, id) as 32 hex digits (Krawczyk, Bellare, Canetti, RFC 2104).

    128 of the 256 bits are kept: enough that two of a billion users never share one.

    Raises:
        SettingsError: there is no key, or one that is too short to protect anything.
    """
    if key is None or len(key) < MINIMUM_KEY:
        raise SettingsError(
            "user ids are to be stored as keyed hashes, and there is no usable key",
            where=f"environment variable {KEY_VARIABLE}",
            expected=f"a secret of at least {MINIMUM_KEY} characters, the same for the crawl and for the nights",
            found="nothing" if not key else f"{len(key)} characters",
            hint=f"export {KEY_VARIABLE} from your secret store; a lost or changed key makes every user a new one",
        )
    keyed = hmac.new(key.encode(), digestmod=hashlib.sha256)

    def pseudonym(user_id: str) -> str:
        digest = keyed.copy()  # the key is mixed in once, not for every id
        digest.update(user_id.strip().encode())
        return digest.hexdigest()[:32]

    return pseudonym


def pseudonymizer_from_environment() -> Callable[[str], str]:
    """The same with the key of the environment."""
    return pseudonymizer(os.environ.get(KEY_VARIABLE))
