"""Looks at your files and writes a settings file for them: your own data in ten minutes.

Reads the first rows of a rating log, and of catalogues of items and users where there are some: CSV with any usual
delimiter, JSON lines or Parquet, packed by gzip or not. It detects formats, columns, types, times and whether the log
holds ratings or plays, and writes what it found with a comment on every line; a line marked "guess" is one to check.
What it cannot detect it asks for by an option.

  python jobs/new_config.py --ratings plays.csv --items tracks.jsonl --out my-data.toml

The command to run with the new file comes last on standard output; --ds is the last day in the log. The file is loaded
once, together with --config and --set, before it is written. Needs no Spark and no Java.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import arg_parser, run_command
from bgmrec.stages.new_config import add_arguments, write_settings


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("new_config", __doc__)
    add_arguments(parser)
    return run_command(parser, write_settings, argv)


if __name__ == "__main__":
    sys.exit(main())
