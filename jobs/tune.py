"""Searches better settings on the working tables of one logical date, and writes the best ones as an overlay.

    tune.py --config FILE --ds YYYY-MM-DD --trials 50 --out best.toml

Runs after jobs/build_features.py, whose split and features all trials share; that is why tune.space may only vary
what comes after them ([bayes], [factorize], [item_encoder], [train], [trend], [user_encoder]). A trial learns as
jobs/train.py does, from a scratch of its own, and is judged by train.metric on the validation ratings: the best
round's value, or with bayes.draws above 0 the averaged draws'. Values are oriented so that lower is better: with
train.metric = ndcg they are 1 - NDCG. No other ratings than training and validation ones are read.

--trials counts all trials of the search, finished ones of earlier calls too: the same command goes on where it was
interrupted, and within the trial under way at its last finished round. What trial n draws depends on tune.seed, n and
the trials before it alone, so that an interrupted search ends as an undisturbed one does. Other settings or another
run of the date begin a new search in the same storage. The search holds the date's lock, as a night does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.study.tune import add_arguments, tune


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("tune", __doc__)
    add_ds(parser)
    add_arguments(parser)
    return run_command(parser, tune, argv)


if __name__ == "__main__":
    sys.exit(main())
