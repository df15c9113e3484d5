"""Writes the encoders' inputs from the staged tables: dense indices, the split, feature vectors and item tokens.

Reads `ratings`, `users` and `items` of the logical date; writes `user_index`, `item_index`, `ratings_split`,
`user_features`, `item_features`, `item_tokens` and `fitted_features.json`. Ids of the previous model keep their
index. Vocabularies, means and standard deviations are fitted on entities with training ratings only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.stages import build_features
from bgmrec.stages.job import run_job


def main(argv: Sequence[str] | None = None) -> int:
    return run_job("build_features", __doc__, build_features.stage, argv)


if __name__ == "__main__":
    sys.exit(main())
