"""Hostile and broken pages beside the sample site, which a crawler must survive."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator

from bgmrec.synthetic.site.pages import links
from bgmrec.synthetic.site.server import Answer, LoggedRequest

MEGABYTE = 2**20
CHAIN = 30  # redirects in a row, more than are followed
LOOP_DEPTH = 5  # crawl.follow.depth of the tests


def music(entity_id: str, title: str) -> bytes:
    """A page with a record."""
    item = {"@type": "MusicRecording", "identifier": entity_id, "name": title}
    return f'<html><script type="application/ld+json">{json.dumps(item)}</script></html>'.encode()


def good(entity_id: str) -> Answer:
    return Answer(body=music(entity_id, f"title of {entity_id}"))


def moved(target: str, status: int = 302) -> Answer:
    return Answer(status, headers={"Location": target})


# path → id of the record that must be extracted
RECORDS = {
    "/hostile/target": "n-target",
    "/hostile/flaky": "n-flaky",
    "/hostile/busy": "n-busy",
    "/hostile/slow": "n-slow",
    "/hostile/latin": "n-latin",
    "/hostile/nonsense-charset": "n-nonsense",
    "/hostile/broken-script": "n-script",
    "/hostile/odd-json": "n-odd",
    "/hostile/deep-html": "n-deep",
    "/hostile/gzip": "n-gzip",
    "/hostile/query?a=1&b=2": "n-query",
}
# path → outcome in the manifest
OUTCOMES = {
    "/hostile/gone": "http 410",
    "/hostile/missing": "http 404",
    "/hostile/always-500": "http 500",
    "/hostile/endless": "timeout",
    "/hostile/garbage-gzip": "not readable",
    "/hostile/bomb": "too large",
    "/hostile/huge": "too large",
    "/hostile/huge-without-length": "too large",
    "/hostile/picture": "not text",
    "/hostile/bottomless": "no record",
    "/hostile/deep-json": "not readable",
    "/hostile/half-json": "not readable",
    "/hostile/cut-off": "unreachable",
    "/hostile/to-loopback": "redirected",
    "/hostile/to-metadata": "redirected",
    "/hostile/to-elsewhere": "offsite",
    "/hostile/around/a": "redirected",
    "/hostile/chain/0": "redirected",
    "/private/page": "robots",
}
INDEX = [
    *RECORDS,
    *OUTCOMES,
    "/hostile/query?b=2&a=1",
    "/hostile/query?a=1&b=2#part",
    "/hostile/query?a=1&b=2&utm_source=x",
    "/hostile/redirect",
    "/hostile/loop/0",
    "javascript:alert(1)",
    "mailto:a@b.example",
    "http://[broken/",
    "file:///etc/passwd",
]


def hostile_pages() -> Callable[[LoggedRequest], Answer | None]:
    """The route; it counts the requests of each page."""
    seen: Counter[str] = Counter()

    def route(request: LoggedRequest) -> Answer | None:
        path = request.path
        seen[path] += 1
        if path == "/hostile/":
            return Answer(body=f"<html><body>{links(INDEX)}</body></html>".encode())
        if path.startswith("/hostile/chain/"):
            return moved(f"/hostile/chain/{int(path.rsplit('/', 1)[1]) + 1}")
        if path.startswith("/hostile/loop/"):
            number = int(path.rsplit("/", 1)[1])
            body = links([f"/hostile/loop/{number + 1}", f"/hostile/loop/{number}", "/hostile/loop/0", "/hostile/"])
            return Answer(body=f"<html><body>{body}</body></html>".encode())
        if path.startswith("/hostile/query"):
            return good("n-query")
        make = _PAGES.get(path)
        return make(seen[path], request.headers.get("host", "")) if make else None

    return route


def _flaky(times: int, host: str) -> Answer:
    return good("n-flaky") if times > 2 else Answer(500)


def _busy(times: int, host: str) -> Answer:
    return good("n-busy") if times > 1 else Answer(429, headers={"Retry-After": "1"})


def _slow(times: int, host: str) -> Answer:
    time.sleep(0.5)
    return good("n-slow")


def _trickle() -> Iterator[bytes]:
    for _ in range(200):  # 20 s, so that no test leaves a thread behind for ever
        yield b"<p>more</p>"
        time.sleep(0.1)


def _much() -> Iterator[bytes]:
    for _ in range(200):
        yield b"x" * MEGABYTE


def _odd_json() -> bytes:
    script = (
        '{"@type": "MusicRecording", "identifier": "n-odd", "name": "lone \\ud800 surrogate",'
        ' "numTracks": NaN, "genre": ["a", {"email": "x@y.example", "deep": 1e999}]}'
    )
    return f'<script type="application/ld+json">{script}</script>'.encode()


def _packed(body: bytes) -> Answer:
    return Answer(body=body, headers={"Content-Encoding": "gzip"})


_PAGES: dict[str, Callable[[int, str], Answer]] = {
    "/hostile/target": lambda n, host: good("n-target"),
    "/hostile/redirect": lambda n, host: moved("/hostile/target", 301),
    "/hostile/flaky": _flaky,
    "/hostile/busy": _busy,
    "/hostile/slow": _slow,
    "/hostile/latin": lambda n, host: Answer(body=music("n-latin", "x").replace(b"x", "Café".encode("latin-1"))),
    "/hostile/nonsense-charset": lambda n, host: Answer(
        body=music("n-nonsense", "x"), content_type="text/html; charset=x-nonsense"
    ),
    "/hostile/broken-script": lambda n, host: Answer(
        body=b'<script type="application/ld+json">{"@type": "MusicRecording", </script>' + music("n-script", "y")
    ),
    "/hostile/odd-json": lambda n, host: Answer(body=_odd_json()),
    "/hostile/deep-html": lambda n, host: Answer(body=b"<div itemscope>" * 1000 + music("n-deep", "z")),
    "/hostile/bottomless": lambda n, host: Answer(body=b"<div itemscope>" * 5000 + music("n-bottom", "z")),
    "/hostile/gzip": lambda n, host: _packed(gzip.compress(music("n-gzip", "packed"))),
    "/hostile/gone": lambda n, host: Answer(410),
    "/hostile/missing": lambda n, host: Answer(404),
    "/hostile/always-500": lambda n, host: Answer(500),
    "/hostile/endless": lambda n, host: Answer(stream=_trickle()),
    "/hostile/garbage-gzip": lambda n, host: _packed(b"\x1f\x8b\x08\x00 this is no gzip at all"),
    "/hostile/bomb": lambda n, host: _packed(gzip.compress(bytes(50 * MEGABYTE))),
    "/hostile/huge": lambda n, host: Answer(stream=_much(), headers={"Content-Length": str(200 * MEGABYTE)}),
    "/hostile/huge-without-length": lambda n, host: Answer(stream=_much()),
    "/hostile/picture": lambda n, host: Answer(body=b"\x89PNG\r\n\x1a\n" + bytes(64), content_type="image/png"),
    "/hostile/deep-json": lambda n, host: Answer(body=b"[" * 200_000, content_type="application/json"),
    "/hostile/half-json": lambda n, host: Answer(body=b'{"tracks": [{"id": ', content_type="application/json"),
    "/hostile/cut-off": lambda n, host: Answer(stream=iter([b"short"]), headers={"Content-Length": "5000"}),
    "/hostile/to-loopback": lambda n, host: moved(f"http://localhost:{host.rpartition(':')[2]}/hostile/inside"),
    "/hostile/to-metadata": lambda n, host: moved("http://169.254.169.254/latest/meta-data/"),
    "/hostile/to-elsewhere": lambda n, host: moved("http://elsewhere.example/"),
    "/hostile/around/a": lambda n, host: moved("/hostile/around/b"),
    "/hostile/around/b": lambda n, host: moved("/hostile/around/a"),
    "/private/page": lambda n, host: good("n-private"),
    "/hostile/inside": lambda n, host: good("n-inside"),
}
