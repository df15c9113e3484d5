"""Copies the newest published tables to PostgreSQL, where views show them.

In the schema of [export.postgres], each published table is a view of the version that was copied last. All views
change in one transaction, which also drops the views of tables that are no longer published. Copying the same
version again changes nothing. The address may contain ${NAME} of an environment variable; libpq's own variables
(PGPASSWORD, PGPASSFILE) work too. Needs the extra "postgres", on the executors too.
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
