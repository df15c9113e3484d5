"""Pseudonyms of user ids by keyed hashes: the crawl stores them, and the mapping of a rating log can compute them."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

from bgmrec.errors import SettingsError

KEY_VARIABLE = "BGMREC_PSEUDONYM_KEY"
MINIMUM_KEY = 16  # characters: a shorter key can be guessed by trying


def pseudonymizer(key: str | None) -> Callable[[str], str]:
    """The function id → HMAC-SHA256(key, id) as 32 hex digits (Krawczyk, Bellare, Canetti, RFC 2104).

    128 of the 256 bits are kept: two of a billion users get the same one with probability 1e-21.

    Args:
        key: the secret; None: there is none.

    Raises:
        SettingsError: there is no key, or it is too short.
    """
    if key is None or len(key) < MINIMUM_KEY:
        raise SettingsError(
            "pseudonyms of user ids need a key",
            where=f"environment variable {KEY_VARIABLE}",
            expected=f"a secret of at least {MINIMUM_KEY} characters, the same for the crawl and for all runs",
            found="nothing" if not key else f"{len(key)} characters",
            hint=f"export {KEY_VARIABLE} from your secret store; with another key every user becomes a new user",
        )
    keyed = hmac.new(key.encode(), digestmod=hashlib.sha256)

    def pseudonym(user_id: str) -> str:
        digest = keyed.copy()  # the key is hashed once, not for every id
        digest.update(user_id.strip().encode())
        return digest.hexdigest()[:32]

    return pseudonym


def pseudonymizer_from_environment() -> Callable[[str], str]:
    """The same with the key of the environment.

    Raises:
        SettingsError: there is no key, or it is too short.
    """
    return pseudonymizer(os.environ.get(KEY_VARIABLE))
