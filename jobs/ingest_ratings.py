"""Ingests the rating logs of one logical date: raw files → table `ratings`, one row per (user, item).

Rejected rows go to `rating_rejects`, each with its source, file and reason. If their share exceeds
ratings.max_reject_share, the job ends with exit status 3 and writes no ratings. Raw values that an expression passes
to pseudonym() are redacted there and in messages.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.stages import ingest_ratings
from bgmrec.stages.job import run_job


def main(argv: Sequence[str] | None = None) -> int:
    return run_job("ingest_ratings", __doc__, ingest_ratings.stage, argv)


if __name__ == "__main__":
    sys.exit(main())
