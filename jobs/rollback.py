"""Goes back to an earlier published version: tables, catalogue and `latest` with its model, together.

With --ds, the date gets the version that its last publication replaced; given again, the command changes
nothing. With --to, the named run becomes the newest: dates after it are withdrawn from readers (their
versions stay until jobs/retain.py removes them, and --to brings them back). Nothing is computed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import date
from typing import Any

from bgmrec.config import load_settings
from bgmrec.errors import InputError
from bgmrec.job import arg_parser, guarded, logical_date, night_of, progress_for
from bgmrec.run import Run

_RUN_ID = re.compile(r"(\d{4}-\d{2}-\d{2})-\d{3,}")


def run_id(text: str) -> str:
    """Parses --to."""
    if not _RUN_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no run; expected YYYY-MM-DD-NNN, as in manifests and summaries")
    return text


def target(run: Run, named: str | None) -> dict[str, Any]:
    """The record to go back to: the named run's, or that of the run which the date's last publication replaced.

    A rollback of a date that was interrupted is ended by the same command, and not by one to the other side.

    Raises:
        InputError: there is none, or its tables or its model are gone.
    """
    manifest = run.shelf.manifest(str(run.ds))
    wanted = named or (manifest and manifest["run_id" if manifest["rolled_back"] else "replaced"])
    record = run.shelf.record(wanted) if wanted else None
    if record is None:
        raise InputError(
            f"run {named} is not kept" if named else f"{run.ds} has no earlier version to go back to",
            where=run.shelf.records.root,
            found=f"versions that are kept: {', '.join(run.shelf.runs()) or 'none'}",
            cure="name one of them by --to; one of an earlier date withdraws the dates after it",
        )
    if missing := run.shelf.missing(record):
        raise InputError(
            f"the tables of {record['run_id']} are gone",
            where=", ".join(missing),
            expected="Parquet folders with a _SUCCESS mark",
            cure="name another run by --to",
        )
    run.models.load(record["model"]["run_id"])
    return record


def roll_back(run: Run, named: str | None, dry_run: bool) -> None:
    """Prints what changes for readers, and does it."""
    record = target(run, named)
    manifest = run.shelf.manifest(record["ds"])
    later = [day for day in run.shelf.dates() if day > record["ds"]] if named else []
    print(f"{record['ds']}: {manifest['run_id'] if manifest else 'nothing'} -> {record['run_id']}")
    print("".join(f"{day}: withdrawn\n" for day in later), end="")
    if dry_run:
        return
    run.shelf.switch(record, rolled_back=True)
    if named:
        run.shelf.withdraw_after(record["ds"])
    latest = run.shelf.latest() or record
    print(f"latest: {latest['run_id']}, model {latest['model']['run_id']}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("rollback", __doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--ds", type=logical_date, metavar="YYYY-MM-DD", help="the date to take back by one version")
    where.add_argument("--to", type=run_id, metavar="RUN_ID", help="the run that shall be the newest")
    parser.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")
    arguments = parser.parse_args(argv)
    progress = progress_for(arguments.log_format)

    def body() -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        ds = arguments.ds or date.fromisoformat(arguments.to[:10])
        with night_of(settings, ds, progress) as run:
            roll_back(run, arguments.to, arguments.dry_run)

    return guarded(body)


if __name__ == "__main__":
    sys.exit(main())
