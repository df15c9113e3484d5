"""The arguments of jobs/study.py."""

from __future__ import annotations

import argparse

from bgmrec.runtime.command import add_ds
from bgmrec.study.paper import PAPER
from bgmrec.study.protocols import PROTOCOLS

SIDE_INFORMATION = ("real", "permuted", "none")
TABLES = "tables"  # measures nothing: writes the tables of --table again


def side_information_kinds(text: str) -> list[str]:
    """Parses --side-information.

    Args:
        text: of the argument.

    Raises:
        argparse.ArgumentTypeError: a kind is unknown.
    """
    kinds = text.split(",")
    if unknown := [kind for kind in kinds if kind not in SIDE_INFORMATION]:
        raise argparse.ArgumentTypeError(f"expected {', '.join(SIDE_INFORMATION)}, found {unknown[0]!r}")
    return kinds


def seeds(text: str) -> list[int]:
    """Parses --seeds.

    Args:
        text: of the argument.

    Raises:
        argparse.ArgumentTypeError: a seed is not a whole number.
    """
    if wrong := [part for part in text.split(",") if not part.strip().isdigit()]:
        raise argparse.ArgumentTypeError(f"expected whole numbers separated by commas, found {wrong[0]!r}")
    return [int(part) for part in text.split(",")]


def fractions(text: str) -> list[float]:
    """Parses --fractions.

    Args:
        text: of the argument.

    Raises:
        argparse.ArgumentTypeError: a fraction is not a number between 0 and 1.
    """
    shares = []
    for part in text.split(","):
        try:
            share = float(part)
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            raise argparse.ArgumentTypeError(f"expected numbers between 0 and 1 separated by commas, found {part!r}")
        shares.append(share)
    return shares


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments: what is measured, and where results are written.

    Args:
        parser: of the job.
    """
    parser.add_argument("protocol", choices=sorted([*PROTOCOLS, PAPER, TABLES]), help="what is measured: see above")
    parser.add_argument(
        "--data", metavar="FOLDER", help="the data set as it was published; replaces {data} in settings"
    )
    parser.add_argument(
        "--models", help="models separated by commas: see above (default: deep, or the settings as configured)"
    )
    parser.add_argument(
        "--fractions", type=fractions, help="training fractions separated by commas (default: study.fractions)"
    )
    parser.add_argument(
        "--seeds", type=seeds, default=[0], help="seeds of split and model, separated by commas (default: 0)"
    )
    parser.add_argument(
        "--part", default="test", choices=("test", "valid"), help="the held-out part that models are evaluated on"
    )
    parser.add_argument(
        "--side-information",
        default=["real"],
        type=side_information_kinds,
        metavar="KINDS",
        help=f"{', '.join(SIDE_INFORMATION)}, separated by commas: see above",
    )
    parser.add_argument("--leak", action="store_true", help="let the user encoder read held-out ratings: see above")
    parser.add_argument(
        "--root",
        default="build/study",
        metavar="FOLDER",
        help="folder of the working tables; two studies at the same time need two (default: build/study)",
    )
    parser.add_argument("--json", metavar="FILE", help="append results to this file, one JSON object per line")
    parser.add_argument(
        "--table", metavar="FILE", help="Markdown file whose blocks of results are rewritten from --json: see above"
    )
    parser.add_argument(
        "--report", metavar="FILE", help="paper: the HTML page to write; its figures go into a folder beside it"
    )
    add_ds(parser, required=False)


def check_arguments(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuses arguments that do not fit the protocol.

    Args:
        parser: whose error ends the process.
        arguments: of the command line.
    """
    protocol = PROTOCOLS.get(arguments.protocol)
    if protocol is not None and protocol.data_set and not arguments.data:
        parser.error(f"the protocol {arguments.protocol} needs --data FOLDER, the folder of the data set")
    if arguments.report and arguments.protocol != PAPER:
        parser.error(f"--report needs the protocol {PAPER}, found {arguments.protocol}")
    if arguments.table and not arguments.json:
        parser.error("--table needs --json FILE, the results that the tables show")
    if arguments.protocol == TABLES and not arguments.table:
        parser.error(f"{TABLES} needs --table FILE, the Markdown file whose tables are written")
