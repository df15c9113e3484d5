"""Storage of the HTTP cache in one SQLite file, in which an answer is complete or absent.

Scrapy's storages write several files, or a dbm file that a killed process may leave corrupt; an incomplete body would
be served as the page.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy import Spider
from scrapy.http import Headers, Request, Response
from scrapy.responsetypes import responsetypes

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

_TABLE = """create table if not exists answers (
    key text primary key, url text not null, status integer not null, headers text not null, body blob not null,
    stored_at real not null)"""
_DAY = 86_400.0


class SqliteCacheStorage:
    """Keeps answers for `BGMREC_CACHE_DAYS`; older ones are deleted at the start of a crawl.

    Args:
        settings: Scrapy's, with `BGMREC_CACHE`, the path of the file, and `BGMREC_CACHE_DAYS`.
    """

    def __init__(self, settings: BaseSettings):
        self._path = Path(settings["BGMREC_CACHE"])
        self._days = settings.getfloat("BGMREC_CACHE_DAYS")

    def open_spider(self, spider: Spider) -> None:
        """Opens the file and deletes old answers.

        Args:
            spider: its crawler computes the keys of requests.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self._path, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.execute(_TABLE)
        self._db.execute("delete from answers where stored_at < ?", (time.time() - self._days * _DAY,))
        self._fingerprint = spider.crawler.request_fingerprinter.fingerprint

    def close_spider(self, spider: Spider) -> None:
        """Closes the file.

        Args:
            spider: unused.
        """
        self._db.close()

    def retrieve_response(self, spider: Spider, request: Request) -> Response | None:
        """The stored answer to a request, if there is one.

        Args:
            spider: unused.
            request: gets the time of the answer as meta `cache_timestamp`.
        """
        row = self._db.execute(
            "select url, status, headers, body, stored_at from answers where key = ?",
            (self._fingerprint(request).hex(),),
        ).fetchone()
        if row is None:
            return None
        url, status, text, body, stored_at = row
        request.meta["cache_timestamp"] = stored_at
        headers = Headers(json.loads(text))
        content = zlib.decompress(body)
        kind = responsetypes.from_args(headers=headers, url=url, body=content)
        return kind(url=url, status=status, headers=headers, body=content)

    def store_response(self, spider: Spider, request: Request, response: Response) -> None:
        """Stores an answer.

        Args:
            spider: unused.
            request: its key is the key of the answer.
            response: the answer.
        """
        headers = {
            name.decode("latin-1"): [value.decode("latin-1") for value in values]
            for name, values in response.headers.items()
        }
        key = self._fingerprint(request).hex()
        row = (key, response.url, response.status, json.dumps(headers), zlib.compress(response.body, 1), time.time())
        self._db.execute("insert or replace into answers values (?, ?, ?, ?, ?, ?)", row)
