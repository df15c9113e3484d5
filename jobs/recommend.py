"""Computes the top-N lists of all users and the similar items, checks them, and publishes both.

Uses the model that jobs/train.py stored for the same --ds; jobs/evaluate.py must have evaluated it. If a check of
[publish.gate] fails, the exit status is 4; if the catalogue refuses the new version, it is 6. In both cases readers
keep the previous version. As the last stage of a run it also writes the summary.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.stages.recommend import published
from bgmrec.stages.summary import run_publishing


def main(argv: Sequence[str] | None = None) -> int:
    return run_publishing("recommend", __doc__, published, argv)


if __name__ == "__main__":
    sys.exit(main())
