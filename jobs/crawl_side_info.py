"""Collects side information from one source: web pages or an API → gzip JSON lines that ingest_side_info reads.

The source is a settings file with [crawl], given as one more --config; see conf/crawl/. The result is
<crawl.out>/<name>/date=<ds>/ with part-*.jsonl.gz and _manifest.json, and its path is the last line on standard
output. A crawl that was stopped or killed goes on where it was when the same command is given again; one that is
complete is not repeated. Needs no Spark and no Java.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.command import add_ds, arg_parser, guarded, progress_for
from bgmrec.config import load_settings


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("crawl_side_info", __doc__)
    add_ds(parser)
    arguments = parser.parse_args(argv)
    progress = progress_for(arguments.log_format)

    def body() -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        from bgmrec.crawl.run import collect  # Scrapy loads slowly: settings are refused before it

        print(collect(settings, arguments.ds, progress))

    return guarded(body)


if __name__ == "__main__":
    sys.exit(main())
