"""Settings of what leaves: the newest published tables to the stores that serve them, metrics to a push gateway."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from bgmrec.config.base import AtLeastOne, Name, Positive, Section

PLAIN_SECRET = "plain_secret"  # the type of error whose input is never shown
# password = value of libpq's words, or the part of an address between the user and @
_PASSWORD = re.compile(r"password\s*=\s*(?!\$\{\w+\}(?:\s|$|&))\S|://[^/@:]*:(?!\$\{\w+\}@)[^/]*@", re.IGNORECASE)


def _without_password(address: str | None) -> str | None:
    if address is not None and _PASSWORD.search(address):
        raise PydanticCustomError(PLAIN_SECRET, "${NAME} of an environment variable in place of the password")
    return address


Address = Annotated[str | None, AfterValidator(_without_password)]


class PostgresSettings(Section):
    """`[export.postgres]`: a schema whose views show the newest version."""

    address: Address = None  # of libpq: "host=db dbname=serving user=bgmrec password=${PGPASSWORD}", or an URL
    into: Name = "bgmrec"  # schema
    grant_to: list[Name] = []  # roles that may read the views
    connections: AtLeastOne = 4  # that copy at once
    lock_seconds: Positive = 30.0  # to wait for running queries at the switch, and for dropping an old version


class RedisSettings(Section):
    """`[export.redis]`: one key per user and track, and a pointer to the newest version."""

    address: Address = None  # "redis://:${REDIS_PASSWORD}@host:6379/0"
    prefix: Name = "bgmrec"  # of every key
    connections: AtLeastOne = 4
    batch: AtLeastOne = 1000  # keys sent at once
    expire_seconds: AtLeastOne = 3600  # after which keys of a version that is not the newest any more go


class ExportSettings(Section):
    """`[export]`."""

    postgres: PostgresSettings = PostgresSettings()
    redis: RedisSettings = RedisSettings()


class MonitorSettings(Section):
    """`[monitor]`: where a night reports its metrics."""

    gateway: Address = None  # of a Prometheus push gateway: "http://gateway:9091"; none: the file alone
    job: str = "bgmrec"  # the label under which the gateway keeps them
