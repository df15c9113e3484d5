"""The arguments of a study."""

from __future__ import annotations

import argparse

from bgmrec.runtime.command import add_ds
from bgmrec.study.paper import PAPER
from bgmrec.study.protocols import PROTOCOLS

SIDE_INFORMATION = ("real", "permuted", "none")


def side_information_kinds(text: str) -> list[str]:
    """Parses --side-information."""
    kinds = text.split(",")
    if unknown := [kind for kind in kinds if kind not in SIDE_INFORMATION]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(SIDE_INFORMATION)}")
    return kinds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is measured, and where results go."""
    parser.add_argument("protocol", choices=sorted([*PROTOCOLS, PAPER]), help="what is measured, on what split")
    parser.add_argument("--data", metavar="FOLDER", help="the data set as it was published; stands for {data}")
    parser.add_argument("--models", help="settings files, by comma: see above (default: deep, or the settings alone)")
    parser.add_argument("--fractions", help="training fractions, by comma (default: study.fractions)")
    parser.add_argument("--seeds", default="0", help="seeds of split and model, by comma")
    parser.add_argument("--part", default="test", choices=("test", "valid"), help="the ratings or days to judge on")
    parser.add_argument(
        "--side-information",
        default=["real"],
        type=side_information_kinds,
        metavar="KINDS",
        help=f"{', '.join(SIDE_INFORMATION)}, by comma: see above",
    )
    parser.add_argument("--leak", action="store_true", help="let the user encoder read held-out ratings: see above")
    parser.add_argument(
        "--root", default="build/study", metavar="FOLDER", help="where working tables go: two studies at once need two"
    )
    parser.add_argument("--json", metavar="FILE", help="results accumulate here, one JSON object per line")
    parser.add_argument(
        "--report", metavar="FILE", help="paper: the page to write, with its figures in a folder beside it"
    )
    add_ds(parser, required=False)


def checked(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuses arguments that do not fit the protocol."""
    protocol = PROTOCOLS.get(arguments.protocol)
    if protocol is not None and protocol.data_set and not arguments.data:
        parser.error(f"{arguments.protocol} needs --data")
    if arguments.report and arguments.protocol != PAPER:
        parser.error(f"--report is of the protocol {PAPER}")
