"""Looks at rating logs and catalogues and writes a settings file for them, without Spark."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from bgmrec.config import load_settings
from bgmrec.errors import SettingsError
from bgmrec.ingest.preview.log import EntityFiles, Group, RatingLog, grouped, read_catalogue, read_log
from bgmrec.ingest.preview.samples import data_files, read_sample
from bgmrec.ingest.preview.settings_file import Preview, settings_text
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress, logger

ROWS = 1_000_000
_COLUMNS = {
    "user": "users in the logs",
    "item": "items in the logs",
    "rating": "explicit ratings",
    "weight": "numbers of plays",
    "time": "times",
    "user-id": "ids in --users",
    "item-id": "ids in --items",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the job.

    Args:
        parser: of the job.
    """
    files = {"ratings": "rating logs", "items": "catalogues of items", "users": "catalogues of users"}
    for name, what in files.items():
        parser.add_argument(
            f"--{name}",
            nargs="+",
            type=Path,
            default=[],
            required=name == "ratings",
            metavar="FILE",
            help=f"{what}: CSV, JSON lines or Parquet, .gz too; or folders of such files",
        )
    parser.add_argument("--out", type=Path, metavar="FILE", help="the settings file; standard output without it")
    for name, what in _COLUMNS.items():
        parser.add_argument(f"--{name}-column", metavar="NAME", help=f"the column of the {what}; detected without it")
    parser.add_argument("--mode", choices=("explicit", "implicit"), help="ratings or plays; detected without it")
    parser.add_argument("--delimiter", metavar="TEXT", help="between the columns of CSV; detected without it")
    parser.add_argument("--encoding", metavar="NAME", help="of the files; detected without it")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"rows of each file to look at ({ROWS:,})")


def write_settings(arguments: argparse.Namespace, progress: Progress) -> None:
    """Writes the settings file that the arguments ask for, and says how to use it.

    Args:
        arguments: of `add_arguments` and `arg_parser`.
        progress: not used: nothing takes long.
    """
    if arguments.out is not None and arguments.out.exists():
        raise SettingsError(
            "the settings file exists already",
            where=str(arguments.out),
            expected="a new file",
            hint="give another --out, or delete the file",
        )
    preview = _look(arguments)
    for path in (sample.path for group in preview.groups for sample in group.samples if not sample.complete):
        logger.warning("%s: only the first %d rows were read; the log may have later days", path, arguments.rows)
    text = settings_text(preview)
    _check(text, arguments)
    if arguments.out is None:
        write_line(text.rstrip())
        return
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    _tell(preview, arguments)


def _look(arguments: argparse.Namespace) -> Preview:
    ratings, items, users = (
        _groups(paths, arguments) for paths in (arguments.ratings, arguments.items, arguments.users)
    )
    options = {name: getattr(arguments, f"{name}_column") for name in ("user", "item", "rating", "weight", "time")}
    catalogue_ids = {"user": _unique_values(users), "item": _unique_values(items)}
    logs = [read_log(group, {**options, "mode": arguments.mode}, catalogue_ids) for group in ratings]
    root = Path("build") / (arguments.out.stem if arguments.out else "my-data")
    return Preview(
        logs,
        _catalogues(items, "item", arguments.item_id_column, logs),
        _catalogues(users, "user", arguments.user_id_column, logs),
        str(root),
        arguments.out,
    )


def _groups(paths: Sequence[Path], arguments: argparse.Namespace) -> list[Group]:
    return grouped(
        [
            read_sample(path, arguments.rows, delimiter=arguments.delimiter, encoding=arguments.encoding)
            for path in data_files(paths)
        ]
    )


def _unique_values(groups: Sequence[Group]) -> set[str]:
    """Values of the columns that could be ids: each occurs once."""
    columns = [column for group in groups for column in group.columns]
    return {text for column in columns if column.n_distinct == len(column.values) for text in column.texts}


def _catalogues(groups: Sequence[Group], role: str, option: str | None, logs: Sequence[RatingLog]) -> list[EntityFiles]:
    columns = [(log.user if role == "user" else log.item).column for log in logs]
    logged = sum((column.texts for column in columns), Counter[str]())
    return [read_catalogue(group, (f"--{role}-id-column", option), role, logged) for group in groups]


def _check(text: str, arguments: argparse.Namespace) -> None:
    """Loads the text as every job will."""
    with NamedTemporaryFile("w", suffix=".toml", encoding="utf-8", delete=False) as file:
        file.write(text)
    try:
        load_settings([*arguments.config, file.name], arguments.overrides)
    finally:
        os.unlink(file.name)


def _tell(preview: Preview, arguments: argparse.Namespace) -> None:
    ds = preview.last_day or "YYYY-MM-DD"
    if preview.last_day is None:
        write_line("The log has no times: --ds may be any date; it names the run.")
    write_line(f"{arguments.out} is written. Check the lines marked guess, then run:")
    write_line(f"  python jobs/nightly.py --config conf/base.toml --config {arguments.out} --ds {ds}")
    write_line(f"  python jobs/show.py    --config conf/base.toml --config {arguments.out} --ds {ds}")
