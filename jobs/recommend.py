"""Makes the top-N lists of all users and the similar items, checks them, and publishes both.

Reads the model that jobs/train.py stored for the same --ds. A failed check of [publish.gate] ends with
exit status 4, a refused switch with 6; in both cases what was published before stays published. As the
last stage of a night it writes the summary, too.
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
