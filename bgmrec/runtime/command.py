"""What every command line has in common, with or without Spark: arguments, logging and exit status."""

from __future__ import annotations

import argparse
import os
import re
import select
import sys
from collections.abc import Callable, Sequence
from datetime import date
from typing import TextIO

from bgmrec import errors
from bgmrec.runtime.faults import explained
from bgmrec.runtime.logs import Progress, configure_logging, logger

EXIT_STATUS_HELP = """exit status:
  0  the output was published (a single stage: written)
  1  unexpected failure; the log holds the traceback
  2  settings: a key is unknown, of the wrong type or impossible
  3  input: missing, unreadable, or too many rejects
  4  quality gate: a check before publishing failed; what was published before stays
  5  training
  6  publishing: what was published before stays
  7  another run is at work on the same logical date
  8  storage: no space is left; with room the same command goes on
"""

_STANDARD_OUTPUT = 1  # the descriptor

# how Spark shows an error of ours that a Python worker raised
_RAISED = re.compile(r"bgmrec\.errors\.(SettingsError|InputError|QualityGateError|TrainingError|PublishingError): ")


def arg_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The arguments that all jobs share."""
    parser = argparse.ArgumentParser(
        prog=f"{name}.py",
        description=description,
        epilog=EXIT_STATUS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", action="append", default=[], metavar="FILE", help="settings in TOML; repeatable, later files win"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="one setting over the files, for example --set factorize.rank=64; repeatable",
    )
    parser.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="log lines for people or for collectors"
    )
    return parser


def logical_date(text: str) -> date:
    """Parses --ds."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; expected YYYY-MM-DD") from None


def add_ds(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    parser.add_argument(
        "--ds",
        type=logical_date,
        required=required,
        metavar="YYYY-MM-DD",
        help="the logical date; no job asks the clock",
    )


def write_line(text: str = "", *, to: TextIO | None = None) -> None:
    """Writes a result for people or the next program, at once.

    Args:
        text: one line or several.
        to: the stream; None: standard output.
    """
    stream = to or sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


def progress_for(log_format: str) -> Progress:
    """Configures logging and chooses the live line where standard error is a terminal."""
    configure_logging(log_format)
    return Progress(live=log_format == "text" and sys.stderr.isatty())


def run_command(
    parser: argparse.ArgumentParser,
    body: Callable[[argparse.Namespace, Progress], int | None],
    argv: Sequence[str] | None,
    *,
    check: Callable[[argparse.ArgumentParser, argparse.Namespace], None] | None = None,
) -> int:
    """A whole command: arguments, logging, work, exit status.

    Args:
        parser: of the arguments.
        body: the work; its own exit status, or None for success.
        argv: the arguments; None: those of the process.
        check: calls `parser.error` for arguments that do not fit together.
    """
    arguments = parser.parse_args(argv)
    if check is not None:
        check(parser, arguments)
    progress = progress_for(arguments.log_format)
    return guarded(lambda: body(arguments, progress))


def guarded(body: Callable[[], int | None]) -> int:
    """Runs the body and turns its errors into a log entry and an exit status."""
    try:
        status = body()
        sys.stdout.flush()
    except errors.BgmrecError as error:
        return _told(error)
    except KeyboardInterrupt:
        logger.error("interrupted; the same command goes on where this one stopped")
        return errors.EXIT_UNEXPECTED
    except BrokenPipeError as error:
        return errors.EXIT_UNEXPECTED if _nobody_reads() else _from_worker(error)
    except Exception as error:
        return _from_worker(error)
    return status or errors.EXIT_PUBLISHED


def _nobody_reads() -> bool:
    """Whether standard output has lost its reader, as in `show.py … | head`: no failure to tell anybody of."""
    output = select.poll()
    output.register(_STANDARD_OUTPUT, 0)
    lost = any(event & select.POLLERR for _, event in output.poll(0))
    if lost:
        # what is left in the buffer would fail once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STANDARD_OUTPUT)
    return lost


def _told(error: errors.BgmrecError) -> int:
    logger.error("%s", error, extra={"facts": {"error": type(error).__name__, "hint": error.hint}})
    return error.exit_status


def _from_worker(error: Exception) -> int:
    """The exit status of an error that is not one of ours, or that Spark brought back from a worker as text."""
    family = _RAISED.search(str(error))
    known = explained(error) if family is None else None
    if known is not None:
        return _told(known)
    if family is None:
        logger.error("unexpected %s: %s", type(error).__name__, error, exc_info=error)
        return errors.EXIT_UNEXPECTED
    told = str(error)[family.end() :].split("\n\n")[0].strip()
    logger.error("%s", told, extra={"facts": {"error": family.group(1)}})
    return int(getattr(errors, family.group(1)).exit_status)
