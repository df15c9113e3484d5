"""Ingests side information about users and music: crawl dumps and side tables → tables `users` and `items`.

Several crawls of one entity are merged field by field; the newest value wins. Malformed fields become null and are
counted, unknown raw fields are skipped and counted. Unreadable records and records without an id go to `user_rejects`
and `item_rejects`; if their share exceeds users.max_reject_share or items.max_reject_share, the job ends with exit
status 3.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.stages import ingest_side_info
from bgmrec.stages.job import run_job


def main(argv: Sequence[str] | None = None) -> int:
    return run_job("ingest_side_info", __doc__, ingest_side_info.stage, argv)


if __name__ == "__main__":
    sys.exit(main())
