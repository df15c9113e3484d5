"""Pages that no crawler should trip over, beside the sample site: each kind of trouble that the Web has."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator

from bgmrec.synthetic.site.pages import links
from bgmrec.synthetic.site.server import Answer, Asked

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


# path → id of the record that must come of it in spite of everything
RECORDS = {
    "/nasty/target": "n-target",
    "/nasty/flaky": "n-flaky",
    "/nasty/busy": "n-busy",
    "/nasty/slow": "n-slow",
    "/nasty/latin": "n-latin",
    "/nasty/nonsense-charset": "n-nonsense",
    "/nasty/broken-script": "n-script",
    "/nasty/odd-json": "n-odd",
    "/nasty/deep-html": "n-deep",
    "/nasty/gzip": "n-gzip",
    "/nasty/query?a=1&b=2": "n-query",
}
# path → what the manifest says of it
OUTCOMES = {
    "/nasty/gone": "http 410",
    "/nasty/missing": "http 404",
    "/nasty/always-500": "http 500",
    "/nasty/endless": "timeout",
    "/nasty/garbage-gzip": "not readable",
    "/nasty/bomb": "too large",
    "/nasty/huge": "too large",
    "/nasty/huge-without-length": "too large",
    "/nasty/picture": "not text",
    "/nasty/bottomless": "no record",
    "/nasty/deep-json": "not readable",
    "/nasty/half-json": "not readable",
    "/nasty/cut-off": "unreachable",
    "/nasty/to-loopback": "redirected",
    "/nasty/to-metadata": "redirected",
    "/nasty/to-elsewhere": "offsite",
    "/nasty/around/a": "redirected",
    "/nasty/chain/0": "redirected",
    "/private/page": "robots",
}
INDEX = [
    *RECORDS,
    *OUTCOMES,
    "/nasty/query?b=2&a=1",
    "/nasty/query?a=1&b=2#part",
    "/nasty/query?a=1&b=2&utm_source=x",
    "/nasty/redirect",
    "/nasty/loop/0",
    "javascript:alert(1)",
    "mailto:a@b.example",
    "http://[broken/",
    "file:///etc/passwd",
]


def nasty() -> Callable[[Asked], Answer | None]:
    """The route; it remembers how often a page was asked for."""
    seen: Counter[str] = Counter()

    def route(asked: Asked) -> Answer | None:
        path = asked.path
        seen[path] += 1
        if path == "/nasty/":
            return Answer(body=f"<html><body>{links(INDEX)}</body></html>".encode())
        if path.startswith("/nasty/chain/"):
            return moved(f"/nasty/chain/{int(path.rsplit('/', 1)[1]) + 1}")
        if path.startswith("/nasty/loop/"):
            number = int(path.rsplit("/", 1)[1])
            body = links([f"/nasty/loop/{number + 1}", f"/nasty/loop/{number}", "/nasty/loop/0", "/nasty/"])
            return Answer(body=f"<html><body>{body}</body></html>".encode())
        if path.startswith("/nasty/query"):
            return good("n-query")
        make = _PAGES.get(path)
        return make(seen[path], asked.headers.get("host", "")) if make else None

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
    "/nasty/target": lambda n, host: good("n-target"),
    "/nasty/redirect": lambda n, host: moved("/nasty/target", 301),
    "/nasty/flaky": _flaky,
    "/nasty/busy": _busy,
    "/nasty/slow": _slow,
    "/nasty/latin": lambda n, host: Answer(body=music("n-latin", "x").replace(b"x", "Café".encode("latin-1"))),
    "/nasty/nonsense-charset": lambda n, host: Answer(
        body=music("n-nonsense", "x"), content_type="text/html; charset=x-nonsense"
    ),
    "/nasty/broken-script": lambda n, host: Answer(
        body=b'<script type="application/ld+json">{"@type": "MusicRecording", </script>' + music("n-script", "y")
    ),
    "/nasty/odd-json": lambda n, host: Answer(body=_odd_json()),
    "/nasty/deep-html": lambda n, host: Answer(body=b"<div itemscope>" * 1000 + music("n-deep", "z")),
    "/nasty/bottomless": lambda n, host: Answer(body=b"<div itemscope>" * 5000 + music("n-bottom", "z")),
    "/nasty/gzip": lambda n, host: _packed(gzip.compress(music("n-gzip", "packed"))),
    "/nasty/gone": lambda n, host: Answer(410),
    "/nasty/missing": lambda n, host: Answer(404),
    "/nasty/always-500": lambda n, host: Answer(500),
    "/nasty/endless": lambda n, host: Answer(stream=_trickle()),
    "/nasty/garbage-gzip": lambda n, host: _packed(b"\x1f\x8b\x08\x00 this is no gzip at all"),
    "/nasty/bomb": lambda n, host: _packed(gzip.compress(bytes(50 * MEGABYTE))),
    "/nasty/huge": lambda n, host: Answer(stream=_much(), headers={"Content-Length": str(200 * MEGABYTE)}),
    "/nasty/huge-without-length": lambda n, host: Answer(stream=_much()),
    "/nasty/picture": lambda n, host: Answer(body=b"\x89PNG\r\n\x1a\n" + bytes(64), content_type="image/png"),
    "/nasty/deep-json": lambda n, host: Answer(body=b"[" * 200_000, content_type="application/json"),
    "/nasty/half-json": lambda n, host: Answer(body=b'{"tracks": [{"id": ', content_type="application/json"),
    "/nasty/cut-off": lambda n, host: Answer(stream=iter([b"short"]), headers={"Content-Length": "5000"}),
    "/nasty/to-loopback": lambda n, host: moved(f"http://localhost:{host.rpartition(':')[2]}/nasty/inside"),
    "/nasty/to-metadata": lambda n, host: moved("http://169.254.169.254/latest/meta-data/"),
    "/nasty/to-elsewhere": lambda n, host: moved("http://elsewhere.example/"),
    "/nasty/around/a": lambda n, host: moved("/nasty/around/b"),
    "/nasty/around/b": lambda n, host: moved("/nasty/around/a"),
    "/private/page": lambda n, host: good("n-private"),
    "/nasty/inside": lambda n, host: good("n-inside"),
}
