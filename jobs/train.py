"""Learns the model of one logical date and stores it under models/<run_id>.

A round is a user half step, an item half step, a fit of both encoders and a validation. Training stops early when the
validation value no longer improves. Every round writes a checkpoint, from which an interrupted training resumes.
jobs/evaluate.py evaluates the best round's model. The served model has train.final_rounds more rounds on all ratings,
validation ratings included.

If bayes.draws is above 0, a Markov chain starts from the best round. The model is the mean of its kept draws, stored as
one wide factor table. The served model is then sampled once more, on all ratings.
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
