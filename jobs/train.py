"""Learns the model of one logical date and stores it under models/<run_id>.

Rounds of user half step, item half step, refit of both encoders and validation, stopped early on the best
validation value; a checkpoint after every round lets an interrupted training go on. The best round's model is what
jobs/evaluate.py judges. train.final_rounds more half steps on all ratings, the validation ones too, make the
model that is served.

With bayes.draws above 0 a Markov chain goes on from the best round, and its kept draws, as one wide factor table,
are the model; the served one is then sampled once more, on all ratings.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.stages import train
from bgmrec.stages.job import run_job


def main(argv: Sequence[str] | None = None) -> int:
    return run_job("train", __doc__, train.stage, argv)


if __name__ == "__main__":
    sys.exit(main())
