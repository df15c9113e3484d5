"""Copies the newest published version to a store that serves it: PostgreSQL or Redis."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Protocol

from pyspark.sql import DataFrame

from bgmrec.config import Settings, load_settings
from bgmrec.errors import PublishingError
from bgmrec.publish.exporters.postgres import Postgres
from bgmrec.publish.exporters.redis import Redis
from bgmrec.run.state import published_versions
from bgmrec.runtime.command import run_command
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.secrets import address_of
from bgmrec.stages.job import start_session

BATCH = 1000  # keys per pipeline: more only hold the server's single thread longer


class Store(Protocol):
    """A store that serves one version at a time."""

    def export(self, run_id: str, tables: dict[str, DataFrame], rows: dict[str, int]) -> bool:
        """Copies a version and lets readers see it; returns false if they see it already.

        Args:
            run_id: of the version.
            tables: table → its rows.
            rows: table → number of rows that must arrive.
        """


def run_export(
    name: str, parser: argparse.ArgumentParser, connect: Callable[[Settings], Store], argv: Sequence[str] | None
) -> int:
    """A whole export job: arguments, settings, session, export; returns the exit status.

    Args:
        name: of the job.
        parser: of its arguments.
        connect: makes the store from the settings.
        argv: the arguments; None: those of the process.
    """

    def body(arguments: argparse.Namespace, progress: Progress) -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        store = connect(settings)  # refuses incomplete settings before Spark starts
        export_latest(settings, store, progress, name)

    return run_command(parser, body, argv)


def export_latest(settings: Settings, store: Store, progress: Progress, name: str) -> None:
    """Copies the version that `latest` names: the newest date, or an older one after a rollback.

    Args:
        settings: of the published tables.
        store: the target.
        progress: for the log.
        name: of the job.

    Raises:
        PublishingError: nothing is published yet, or the store refused.
    """
    spark = start_session(settings)
    versions = published_versions(spark, settings)
    latest = versions.latest()
    if latest is None:
        raise PublishingError(
            "there is nothing to export: nothing is published yet",
            where=versions.manifests.root,
            expected="latest.json",
            found="no such file",
            hint="run jobs/nightly.py first, or correct paths.root",
        )
    tables = {table: versions.read_version(table, latest["run_id"]) for table in latest["tables"]}
    rows = {table: facts["rows"] for table, facts in latest["tables"].items()}
    is_new = store.export(latest["run_id"], tables, rows)
    progress.done(name, run_id=latest["run_id"], copied=is_new, **rows)


def postgres_store(settings: Settings) -> Postgres:
    """The store of `[export.postgres]`.

    Args:
        settings: with the address of the server.
    """
    postgres = settings.export.postgres
    address, secrets = address_of(postgres.address, "export.postgres.address")
    return Postgres(address, secrets, postgres.into, postgres.grant_to, postgres.connections, postgres.lock_seconds)


def redis_store(settings: Settings) -> Redis:
    """The store of `[export.redis]`.

    Args:
        settings: with the address of the server.
    """
    redis = settings.export.redis
    address, secrets = address_of(redis.address, "export.redis.address")
    return Redis(address, secrets, redis.prefix, redis.connections, BATCH, redis.expire_seconds)
