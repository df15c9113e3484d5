"""Collects side information from one source: web pages or an API → gzip JSON lines that ingest_side_info reads.

The source is a settings file with [crawl], passed as one more --config; see conf/crawl/ and bgmrec/crawl/README.md.
The result is the folder <crawl.out>/<name>/date=<ds>/ with part-*.jsonl.gz and _manifest.json; its path is the last
line on standard output. The same command resumes a crawl that was stopped or killed, and does not repeat a complete
one. Needs neither Spark nor Java.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.stages.crawl_side_info import crawl


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("crawl_side_info", __doc__)
    add_ds(parser)
    return run_command(parser, crawl, argv)


if __name__ == "__main__":
    sys.exit(main())
