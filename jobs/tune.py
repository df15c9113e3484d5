"""Searches better settings on the working tables of one logical date, and writes the best ones as a settings file.

    tune.py --config FILE --ds YYYY-MM-DD --trials 50 --out best.toml

Run jobs/build_features.py first: all trials share its split and features. Therefore tune.space may only vary settings
that are read later ([bayes], [factorize], [item_encoder], [train], [trend], [user_encoder]). A trial trains as
jobs/train.py does and is evaluated by train.metric on the validation ratings: by its best round, or with bayes.draws
above 0 by the average of the draws. Lower values are better: with train.metric = ndcg they are 1 - NDCG. Test ratings
are not read.

--trials counts all trials of the search, also those of earlier calls. The same command resumes after an interruption,
at the last finished round of the interrupted trial. The values of trial n depend on tune.seed, n and the earlier
trials alone, so that an interrupted search ends with the same result. Other settings, or another run of the date,
start a new search in the same storage. The search holds the lock of the logical date.
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
