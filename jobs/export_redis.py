"""Copies the newest published tables to Redis: a key per user and track, and a pointer to the version.

A reader gets `<prefix>:current`, the run, and then `<prefix>:<run>:recommendations:<user id>` or
`<prefix>:<run>:similar_items:<item id>`: a list as JSON, the best first, each entry an id and its score. Keys
of older versions expire. Copying the same version again changes nothing. The address may hold ${NAME} of an
environment variable. Needs the extra "redis", on the executors too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from exporting import address_of, run_export

from bgmrec.config import Settings
from bgmrec.export.redis import Redis
from bgmrec.job import arg_parser


def connect(settings: Settings) -> Redis:
    """The store of [export.redis]."""
    own = settings.export.redis
    address, secrets = address_of(own.address, "export.redis.address")
    return Redis(address, secrets, own.prefix, own.connections, own.batch, own.expire_seconds)


def main(argv: Sequence[str] | None = None) -> int:
    return run_export("export_redis", arg_parser("export_redis", __doc__), connect, argv)


if __name__ == "__main__":
    sys.exit(main())
