"""Copies the newest published tables to PostgreSQL, whose views then show them.

In the schema of [export.postgres], `recommendations` and `similar_items` are views of the version that was
copied last; all of them are switched in one transaction. Copying the same version again changes nothing. The
address may hold ${NAME} of an environment variable; libpq's own (PGPASSWORD, PGPASSFILE) hold as well.
Needs the extra "postgres", on the executors too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import arg_parser
from bgmrec.stages.export import postgres_store, run_export


def main(argv: Sequence[str] | None = None) -> int:
    return run_export("export_postgres", arg_parser("export_postgres", __doc__), postgres_store, argv)


if __name__ == "__main__":
    sys.exit(main())
