"""Serves the sample site on loopback, until it is stopped: music and users of a generated world as web pages."""

from __future__ import annotations

import signal
import threading
from argparse import Namespace

from bgmrec.config import load_settings
from bgmrec.runtime.logs import Progress
from bgmrec.synthetic.plan import WorldPlan
from bgmrec.synthetic.site.catalogue import catalogue
from bgmrec.synthetic.site.server import Site, serving


def serve(arguments: Namespace, progress: Progress) -> None:
    """Serves the site until SIGTERM or SIGINT.

    Args:
        arguments: `config`, `overrides` and `port`.
        progress: shows the address.
    """
    settings = load_settings(arguments.config, arguments.overrides)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    site = Site(catalogue(WorldPlan(seed=settings.seed, **settings.world.model_dump(exclude={"partitions"}))))
    with serving(site, arguments.port) as address:
        progress.done("serve_site", address=address)
        stop.wait()
    progress.done("serve_site", requests=len(site.log))
