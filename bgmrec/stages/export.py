"""From the newest published version to a store that serves it.

No job of its own: what export_postgres and export_redis share.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Protocol

from pyspark.sql import DataFrame

from bgmrec.config import Settings, load_settings
from bgmrec.errors import PublishingError, SettingsError
from bgmrec.publish.exporters.postgres import Postgres
from bgmrec.publish.exporters.redis import Redis
from bgmrec.run.state import published
from bgmrec.runtime.logs import Progress, logger
from bgmrec.runtime.secrets import WithoutSecrets, filled
from bgmrec.stages.job import guarded, progress_for, start_session


class Store(Protocol):
    """Somewhere that a version can be copied to and switched to."""

    def export(self, run_id: str, tables: dict[str, DataFrame], rows: dict[str, int]) -> bool: ...


def address_of(address: str | None, where: str) -> tuple[str, tuple[str, ...]]:
    """The address with its secrets filled in, and those.

    Raises:
        SettingsError: there is no address, or the environment lacks a secret.
    """
    if address is None:
        raise SettingsError(
            "nowhere to export to", where=where, expected="an address", found="none", hint=f"set {where}"
        )
    text, secrets = filled(address, where)
    for handler in logger.handlers:
        handler.addFilter(WithoutSecrets(secrets))
    return text, secrets


def run_export(
    name: str, parser: argparse.ArgumentParser, connect: Callable[[Settings], Store], argv: Sequence[str] | None
) -> int:
    """The whole job: arguments, settings, session, export, exit status.

    Args:
        name: of the job.
        parser: of its arguments.
        connect: makes the store of the settings.
        argv: the arguments; none: those of the process.
    """
    arguments = parser.parse_args(argv)
    progress = progress_for(arguments.log_format)

    def body() -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        store = connect(settings)  # what the settings lack is said before Spark starts
        export_latest(settings, store, progress, name)

    return guarded(body)


def export_latest(settings: Settings, store: Store, progress: Progress, name: str) -> None:
    """Copies what `latest` names; it never goes back to an older date, unless a rollback did.

    Raises:
        PublishingError: nothing is published yet, or the store refused.
    """
    spark = start_session(settings)
    latest = published(spark, settings).latest()
    if latest is None:
        raise PublishingError("nothing is published yet", where=settings.paths.root, hint="run jobs/nightly.py first")
    tables = {table: spark.read.parquet(facts["location"]) for table, facts in latest["tables"].items()}
    rows = {table: facts["rows"] for table, facts in latest["tables"].items()}
    fresh = store.export(latest["run_id"], tables, rows)
    progress.done(name, run_id=latest["run_id"], fresh=fresh, **rows)


def postgres_store(settings: Settings) -> Postgres:
    """The store of [export.postgres]."""
    own = settings.export.postgres
    address, secrets = address_of(own.address, "export.postgres.address")
    return Postgres(address, secrets, own.into, own.grant_to, own.connections, own.lock_seconds)


def redis_store(settings: Settings) -> Redis:
    """The store of [export.redis]."""
    own = settings.export.redis
    address, secrets = address_of(own.address, "export.redis.address")
    return Redis(address, secrets, own.prefix, own.connections, own.batch, own.expire_seconds)
