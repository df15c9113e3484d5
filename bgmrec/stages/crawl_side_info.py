"""Collects side information from one source: web pages or an API → gzip JSON lines that ingest_side_info reads."""

from __future__ import annotations

from argparse import Namespace

from bgmrec.config import load_settings
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress


def crawl(arguments: Namespace, progress: Progress) -> None:
    """Crawls the source and prints the folder of the result.

    Args:
        arguments: `config`, `overrides` and `ds`.
        progress: shows the progress.
    """
    settings = load_settings(arguments.config, arguments.overrides)
    from bgmrec.crawl.run import collect  # Scrapy loads slowly: settings are checked before

    write_line(str(collect(settings, arguments.ds, progress)))
