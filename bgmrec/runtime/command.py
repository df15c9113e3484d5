"""The parts that all commands share, with or without Spark: arguments, logging and exit status."""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, TextIO

from bgmrec import errors
from bgmrec.runtime.failures import known_failure
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
  8  storage: no space, no permission or no connection; with it the same command resumes
"""

_STANDARD_OUTPUT = 1  # the descriptor


def arg_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with the arguments that all jobs share.

    Args:
        name: of the job, without `.py`.
        description: of the job, for its help.
    """
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
    """Parses a logical date, such as --ds.

    Raises:
        ArgumentTypeError: the text is no date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date; expected YYYY-MM-DD") from None


def add_ds(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Adds --ds, the logical date.

    Args:
        parser: of the job.
        required: whether the job needs it.
    """
    parser.add_argument(
        "--ds",
        type=logical_date,
        required=required,
        metavar="YYYY-MM-DD",
        help="the logical date; no job reads the clock",
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
    """Configures logging; progress is one live line where standard error is a terminal.

    Args:
        log_format: text or json.
    """
    configure_logging(log_format)
    return Progress(live=log_format == "text" and sys.stderr.isatty())


def run_command(
    parser: argparse.ArgumentParser,
    body: Callable[[argparse.Namespace, Progress], int | None],
    argv: Sequence[str] | None,
    *,
    check: Callable[[argparse.ArgumentParser, argparse.Namespace], None] | None = None,
) -> int:
    """Runs a whole command: arguments, logging, work, exit status.

    Args:
        parser: of the arguments.
        body: the work; returns its own exit status, or None for success.
        argv: the arguments; None: those of the process.
        check: calls `parser.error` for arguments that do not fit together.
    """
    arguments = parser.parse_args(argv)
    if check is not None:
        check(parser, arguments)
    progress = progress_for(arguments.log_format)
    return guarded(lambda: body(arguments, progress))


def guarded(body: Callable[[], int | None]) -> int:
    """Runs the body; its errors become a log entry and an exit status.

    Args:
        body: the work; returns its own exit status, or None for success.
    """
    try:
        with terminated_like_interrupted():
            status = body()
            sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:
        return _logged(error)
    return status or errors.EXIT_PUBLISHED


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt, as Ctrl-C does: locks are released and the failure is reported.

    Without this the system ends the process at once. Only a main thread can set it up; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)  # Spark's own handler cancels its jobs

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_status(error: BaseException) -> int:
    """The exit status of a job that ends by an exception.

    Args:
        error: any exception.
    """
    failure = known_failure(error)
    return errors.EXIT_UNEXPECTED if failure is None else failure.exit_status


def error_message(error: BaseException) -> str:
    """What went wrong in one sentence, for summaries and logs.

    Args:
        error: any exception.
    """
    failure = known_failure(error)
    if failure is not None:
        return failure.message
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; the same command resumes"
    return f"unexpected {type(error).__name__}: {error}"


def _logged(error: BaseException) -> int:
    """Logs an error with what the reader needs; returns the exit status."""
    if isinstance(error, BrokenPipeError) and _output_is_closed():
        return errors.EXIT_UNEXPECTED
    failure = known_failure(error)
    if failure is not None:
        logger.error("%s", failure, extra={"facts": {"error": type(failure).__name__, "hint": failure.hint}})
    else:
        trace = None if isinstance(error, KeyboardInterrupt) else error
        logger.error("%s", error_message(error), exc_info=trace)
    return exit_status(error)


def _output_is_closed() -> bool:
    """Whether the reader of standard output ended, as in `show.py … | head`: that is no failure to report."""
    output = select.poll()
    output.register(_STANDARD_OUTPUT, 0)
    closed = any(event & select.POLLERR for _, event in output.poll(0))
    if closed:
        # what is left in the buffer would fail once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STANDARD_OUTPUT)
    return closed
