"""Writes the files by which a dbt project knows the published tables and their readers."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path

from bgmrec.config import Settings, load_settings
from bgmrec.publish.contracts import CONTRACTS
from bgmrec.publish.dbt_files import exposures, sources
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the job.

    Args:
        parser: of the job.
    """
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder below a dbt project's models")
    parser.add_argument("--owner", default="bgmrec", metavar="NAME", help="owner of the exposures (default: bgmrec)")


def readers(settings: Settings) -> dict[str, str]:
    """Name and description of what reads the newest version, as far as the settings tell.

    Args:
        settings: `[export]` of them.
    """
    known = {"bgmrec_lists": "Services that show recommendations and similar tracks to users, by the published tables."}
    if settings.export.postgres.address is not None:
        known["bgmrec_postgres"] = f"PostgreSQL, schema {settings.export.postgres.into}: jobs/export_postgres.py."
    if settings.export.redis.address is not None:
        known["bgmrec_redis"] = f"Redis, keys {settings.export.redis.prefix}:…: jobs/export_redis.py."
    return known


def write_dbt_files(arguments: Namespace, progress: Progress) -> None:
    """Writes sources.yml and exposures.yml over what was there, and prints their paths.

    Args:
        arguments: of the job.
        progress: of the job.
    """
    settings = load_settings(arguments.config, arguments.overrides)
    contracts = [CONTRACTS[table] for table in settings.publish.tables]
    with_views = settings.publish.catalog != "none"
    arguments.out.mkdir(parents=True, exist_ok=True)
    files = {
        "sources.yml": sources(contracts, settings.publish.database, with_views=with_views),
        "exposures.yml": exposures(contracts, readers(settings), arguments.owner, with_views=with_views),
    }
    for name, content in files.items():
        (arguments.out / name).write_text(content, encoding="utf-8")
        write_line(str(arguments.out / name))
