"""Pushing to a real HTTP server, and to none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from bgmrec.config import load_settings
from bgmrec.errors import SettingsError
from bgmrec.runtime.gateway import push


class Gateway(BaseHTTPRequestHandler):
    """Takes what is put, but refuses the job named full."""

    got: ClassVar[list[tuple[str, str, bytes]]] = []

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, self.headers["Content-Type"], body))
        self.send_response(400 if self.path.endswith("full") else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Gateway.got.clear()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_text_is_put_under_the_job(address: str) -> None:
    assert push(b"# EOF\n", address, "bgmrec eu")
    assert Gateway.got == [("/metrics/job/bgmrec%20eu", "text/plain; version=0.0.4; charset=utf-8", b"# EOF\n")]


def test_a_gateway_that_refuses_or_is_gone_is_a_warning(address: str, caplog: pytest.LogCaptureFixture) -> None:
    assert not push(b"", address, "full")
    assert not push(b"", "http://127.0.0.1:9", "bgmrec")
    assert [record.levelname for record in caplog.records if record.name == "bgmrec"] == ["WARNING", "WARNING"]


def test_its_secret_comes_from_the_environment(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="secret that is not there"):
        push(b"", "http://${BGMREC_TEST_TOKEN}@127.0.0.1", "bgmrec")
    monkeypatch.setenv("BGMREC_TEST_TOKEN", address.rsplit(":", 1)[-1].strip("/"))
    assert push(b"", "http://127.0.0.1:${BGMREC_TEST_TOKEN}", "bgmrec")
    with pytest.raises(SettingsError) as plain:
        load_settings([], ["monitor.gateway=http://me:hunter2@gateway:9091"])
    assert "hunter2" not in str(plain.value)
