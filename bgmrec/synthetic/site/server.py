"""The site as an HTTP server on loopback, with a log of its requests."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bgmrec.synthetic.site import pages
from bgmrec.synthetic.site.catalogue import SiteCatalogue

API_PAGE = 50  # tracks per page of the API
_ROBOTS = "User-agent: *\nDisallow: /private/\nDisallow: /search\n"


@dataclass(frozen=True)
class LoggedRequest:
    """A request in the log of the server.

    Args:
        at: monotonic time, in seconds.
        path: with the query.
        headers: names in lower case.
    """

    at: float
    path: str
    headers: Mapping[str, str]


@dataclass
class Answer:
    """An HTTP answer.

    Args:
        status: of HTTP.
        body: of the answer.
        content_type: of the body.
        headers: further headers.
        stream: pieces of a body without a length; replaces `body`.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    stream: Iterable[bytes] | None = None


Route = Callable[[LoggedRequest], Answer | None]


class Site:
    """The pages of a catalogue.

    Args:
        of: the catalogue.
        extra: answers a request before the site does; returns None for requests of the site.
    """

    def __init__(self, of: SiteCatalogue, extra: Route | None = None):
        self._of, self._extra = of, extra
        self.log: list[LoggedRequest] = []

    def answer(self, request: LoggedRequest) -> Answer:
        """Logs a request and answers it; an unchanged page is answered by status 304.

        Args:
            request: the request.
        """
        self.log.append(request)
        answer = (self._extra(request) if self._extra else None) or self._page(request)
        if answer.status != 200 or answer.stream is not None:
            return answer
        tag = f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == tag:
            return Answer(304, headers={"ETag": tag})
        answer.headers.setdefault("ETag", tag)
        return answer

    def _page(self, request: LoggedRequest) -> Answer:
        parts = urlsplit(request.path)
        section, _, name = parts.path.lstrip("/").partition("/")
        entity_page = self._entity(section, name)
        if entity_page is not None:
            return _html(entity_page)
        single = {
            "/": lambda: _html(pages.index_page(self._of)),
            "/search": lambda: _html(pages.result_page(self._of, parse_qs(parts.query).get("q", [""])[0])),
            "/robots.txt": lambda: Answer(body=_ROBOTS.encode(), content_type="text/plain"),
            "/sitemap.xml": lambda: _sitemap_index(request, ("music", "artist", "user")),
            "/api/music": lambda: self._api(parse_qs(parts.query).get("page_token", ["0"])[0]),
        }
        if section == "sitemap":
            return self._sitemap(request, name)
        return single.get(parts.path, lambda: _html("<h1>not found</h1>", 404))()

    def _entity(self, section: str, name: str) -> str | None:
        of = self._of
        if section == "music" and name in of.music:
            return pages.music_page(of.music[name])
        if section == "artist" and name in of.artists:
            return pages.artist_page(name, of.artists[name])
        return pages.user_page(of.users[name]) if section == "user" and name in of.users else None

    def _api(self, token: str) -> Answer:
        begin = int(token) if token.isdecimal() else 0
        tracks = list(self._of.music.values())
        following = begin + API_PAGE
        body: dict[str, Any] = {"tracks": [pages.api_track(track) for track in tracks[begin:following]]}
        if following < len(tracks):
            body["next_page_token"] = str(following)
        return Answer(body=json.dumps(body).encode(), content_type="application/json")

    def _sitemap(self, request: LoggedRequest, name: str) -> Answer:
        """Plain for music and artists, gzip for users."""
        section = name.partition(".")[0]
        ids = {"music": self._of.music, "artist": self._of.artists, "user": self._of.users}.get(section, {})
        entries = "".join(f"<url><loc>{_base(request)}/{section}/{entity_id}</loc></url>" for entity_id in ids)
        xml = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()
        if name.endswith(".gz"):
            return Answer(body=gzip.compress(xml, mtime=0), content_type="application/gzip")
        return Answer(body=xml, content_type="application/xml")


def _sitemap_index(request: LoggedRequest, sections: Iterable[str]) -> Answer:
    names = {section: f"{section}.xml.gz" if section == "user" else f"{section}.xml" for section in sections}
    entries = "".join(f"<sitemap><loc>{_base(request)}/sitemap/{name}</loc></sitemap>" for name in names.values())
    xml = f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</sitemapindex>'
    return Answer(body=xml.encode(), content_type="application/xml")


def _base(request: LoggedRequest) -> str:
    return f"http://{request.headers.get('host', '127.0.0.1')}"


def _html(text: str, status: int = 200) -> Answer:
    return Answer(status, text.encode())


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet: the second of two would wait for an acknowledgement

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = site.answer(LoggedRequest(time.monotonic(), self.path, headers))
            self._send(answer)

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.stream is None:
                self.send_header("Content-Length", str(len(answer.body)))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            for piece in [answer.body] if answer.stream is None else answer.stream:
                self.wfile.write(piece)
                if answer.stream is not None:
                    self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Does nothing: the site has its own log."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that close the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    request_queue_size = 128


@contextmanager
def serving(site: Site, port: int = 0) -> Iterator[str]:
    """Serves the site from threads of this process; yields its address.

    Args:
        site: the site.
        port: of 127.0.0.1; 0: any free one.
    """
    server = _Server(("127.0.0.1", port), _handler(site))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
