"""Collects side information from one source: web pages or an API → gzip JSON lines that ingest_side_info reads.

The source is a settings file with [crawl], given as one more --config; see conf/crawl/. The result is
<crawl.out>/<name>/date=<ds>/ with part-*.jsonl.gz and _manifest.json, and its path is the last line on standard
output. A crawl that was stopped or killed goes on where it was when the same command is given again; one that is
complete is not repeated. Needs no Spark and no Java.
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
