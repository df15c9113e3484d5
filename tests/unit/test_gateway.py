"""Pushing to a real HTTP server, to one that answers garbage, and to none."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from bgmrec.config import load_settings
from bgmrec.errors import SettingsError
from bgmrec.runtime import gateway
from bgmrec.runtime.gateway import push
from bgmrec.runtime.openmetrics import registry_of

METRICS = registry_of(
    {"run_id": "2025-01-31-001", "ds": "2025-01-31", "fingerprint": "abc", "versions": {"bgmrec": "0.1.0"}}
)


class Gateway(BaseHTTPRequestHandler):
    """Takes what is put, but refuses the job named full."""

    requests: ClassVar[list[tuple[str, dict[str, str], str]]] = []

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.requests.append((self.path, dict(self.headers), body))
        self.send_response(400 if self.path.endswith("full") else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Gateway.requests.clear()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def garbage() -> Iterator[str]:
    """A server that takes a request and answers with something that is not HTTP."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread.join()
    listener.close()


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "bgmrec"]


def test_the_metrics_are_put_under_the_job(address: str) -> None:
    assert push(METRICS, address, "bgmrec-eu")
    ((path, headers, body),) = Gateway.requests
    assert (path, headers["Content-Type"]) == ("/metrics/job/bgmrec-eu", "text/plain; version=0.0.4; charset=utf-8")
    assert "bgmrec_published 0.0" in body.splitlines()


def test_a_gateway_that_refuses_or_does_not_exist_is_an_error_in_the_log(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not push(METRICS, address, "full")
    assert not push(METRICS, "http://127.0.0.1:9", "bgmrec")
    assert not push(METRICS, "no address at all", "bgmrec")
    assert [level for level, _ in logged(caplog)] == ["ERROR"] * 3
    assert all("hint: check the address" in message for _, message in logged(caplog))


def test_garbage_for_an_answer_is_an_error_in_the_log(garbage: str, caplog: pytest.LogCaptureFixture) -> None:
    assert not push(METRICS, garbage, "bgmrec")
    ((level, message),) = logged(caplog)
    assert level == "ERROR" and "BadStatusLine" in message


def test_a_gateway_without_an_answer_is_given_up(
    silent: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "SECONDS", 0.2)
    assert not push(METRICS, silent, "bgmrec")
    assert "timed out" in caplog.text


def test_a_missing_secret_is_an_error_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("BGMREC_TEST_TOKEN", raising=False)
    assert not push(METRICS, "http://me:${BGMREC_TEST_TOKEN}@127.0.0.1", "bgmrec")
    ((level, message),) = logged(caplog)
    assert level == "ERROR" and "environment variable BGMREC_TEST_TOKEN" in message


def test_user_and_password_come_from_the_environment_and_stay_out_of_the_log(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BGMREC_TEST_TOKEN", "hunter%32")
    authority = address.removeprefix("http://")
    assert push(METRICS, f"http://me:${{BGMREC_TEST_TOKEN}}@{authority}", "bgmrec")
    ((_, headers, _),) = Gateway.requests
    assert headers["Authorization"] == f"Basic {base64.b64encode(b'me:hunter2').decode()}"
    assert not push(METRICS, "http://me:${BGMREC_TEST_TOKEN}@no-such-host.invalid", "bgmrec")
    assert "hunter" not in caplog.text


def test_a_password_in_the_settings_is_refused() -> None:
    with pytest.raises(SettingsError) as plain:
        load_settings([], ["monitor.gateway=http://me:hunter2@gateway:9091"])
    assert "hunter2" not in str(plain.value)
