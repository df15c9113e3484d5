"""Copies the newest published tables to Redis: a key per user and track, and a pointer to the version.

A reader gets the run id from `<prefix>:current`, then `<prefix>:<run>:recommendations:<user id>` or
`<prefix>:<run>:similar_items:<item id>`: a JSON list, best first, each entry an id and its score. Keys of older
versions expire. Copying the same version again changes nothing. The address may contain ${NAME} of an environment
variable. Needs the extra "redis", on the executors too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import arg_parser
from bgmrec.stages.export import redis_store, run_export


def main(argv: Sequence[str] | None = None) -> int:
    return run_export("export_redis", arg_parser("export_redis", __doc__), redis_store, argv)


if __name__ == "__main__":
    sys.exit(main())
