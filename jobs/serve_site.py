"""Serves the sample site on loopback: the generated world's music and users as web pages, until it is stopped.

For `make demo-crawl` and for trying sources out. The same [world] and seed as jobs/generate_world.py give the same
music as its rating log.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence

from bgmrec.command import arg_parser, guarded, progress_for
from bgmrec.config import load_settings
from bgmrec.synthetic.plan import Plan
from bgmrec.synthetic.site.catalogue import catalogue
from bgmrec.synthetic.site.server import Site, serving


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("serve_site", __doc__)
    parser.add_argument("--port", type=int, default=8765, help="on 127.0.0.1 (8765)")
    arguments = parser.parse_args(argv)
    progress = progress_for(arguments.log_format)

    def body() -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        site = Site(catalogue(Plan(seed=settings.seed, **settings.world.model_dump(exclude={"partitions"}))))
        with serving(site, arguments.port) as address:
            progress.done("serve_site", address=address)
            stop.wait()
        progress.done("serve_site", requests=len(site.log))

    return guarded(body)


if __name__ == "__main__":
    sys.exit(main())
