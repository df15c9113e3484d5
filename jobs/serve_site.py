"""Serves the sample site on loopback, until it is stopped: music and users of a generated world as web pages.

For `make demo-crawl` and for trying sources. With the same [world] and seed as jobs/generate_world.py, the site has
the music of that rating log.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import arg_parser, run_command
from bgmrec.stages.serve_site import serve


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("serve_site", __doc__)
    parser.add_argument("--port", type=int, default=8765, help="on 127.0.0.1 (8765)")
    return run_command(parser, serve, argv)


if __name__ == "__main__":
    sys.exit(main())
