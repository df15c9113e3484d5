"""Copies the newest published tables to PostgreSQL, whose views then show them.

In the schema of [export.postgres], `recommendations` and `similar_items` are views of the version that was
copied last; all of them are switched in one transaction. Copying the same version again changes nothing. The
address may hold ${NAME} of an environment variable; libpq's own (PGPASSWORD, PGPASSFILE) hold as well.
Needs the extra "postgres", on the executors too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from exporting import address_of, run_export

from bgmrec.config import Settings
from bgmrec.export.postgres import Postgres
from bgmrec.job import arg_parser


def connect(settings: Settings) -> Postgres:
    """The store of [export.postgres]."""
    own = settings.export.postgres
    address, secrets = address_of(own.address, "export.postgres.address")
    return Postgres(address, secrets, own.into, own.grant_to, own.connections, own.lock_seconds)


def main(argv: Sequence[str] | None = None) -> int:
    return run_export("export_postgres", arg_parser("export_postgres", __doc__), connect, argv)


if __name__ == "__main__":
    sys.exit(main())
