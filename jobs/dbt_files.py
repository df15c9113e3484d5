"""Writes sources.yml and exposures.yml: how a dbt project knows the published tables and what reads them.

Both are made from the contracts of the tables in publish.tables: columns with types, descriptions and not_null tests,
and the keys as meta. publish.database is the schema of the source. The exposures name the readers of the newest
version: the service that shows the lists, and the exports whose address is set.

  python jobs/dbt_files.py --config conf/base.toml --config site.toml --out analytics/models/bgmrec

Prints the paths of the files. Needs no Java. Run it again after an upgrade of bgmrec.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import arg_parser, run_command
from bgmrec.stages.dbt_files import add_arguments, write_dbt_files


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; returns its exit status.

    Args:
        argv: the arguments; None: those of the process.
    """
    parser = arg_parser("dbt_files", __doc__)
    add_arguments(parser)
    return run_command(parser, write_dbt_files, argv)


if __name__ == "__main__":
    sys.exit(main())
