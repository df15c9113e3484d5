"""Every end of a run is reported: in its summary, in its metrics and at the gateway, which never changes its status."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from bgmrec.errors import EXIT_BUSY, EXIT_QUALITY_GATE, EXIT_STORAGE, EXIT_UNEXPECTED, QualityGateError, SettingsError
from bgmrec.run.lock import Lock
from bgmrec.run.lock_documents import FileDocuments
from bgmrec.run.state import Run
from bgmrec.stages import job, nightly
from bgmrec.storage.tables import Tables
from jobs import evaluate
from jobs import nightly as nightly_job

DS = "2025-03-14"
Stage = Callable[[Run], None]


class Gateway(HTTPServer):
    """Keeps what is pushed, by metric."""

    def __init__(self) -> None:
        self.pushes: list[dict[str, float]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                lines = self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines()
                samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
                gateway.pushes.append({name: float(value) for name, value in samples})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run_nightly(
    spark: SparkSession, tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """Runs jobs/nightly.py with a stage in place of the first one, and none that do anything after it."""
    monkeypatch.setattr(job, "start_session", lambda settings: spark)

    def run_job(stage: Stage, address: str = f"http://127.0.0.1:{gateway.server_port}") -> int:
        stages: dict[str, Stage] = dict.fromkeys(nightly._STAGES, lambda run: None)
        monkeypatch.setattr(nightly, "_STAGES", {**stages, "ingest_ratings": stage})
        return nightly_job.main(arguments(tmp_path, address))

    return run_job


def arguments(root: Path, address: str) -> list[str]:
    settings = (f"paths.root={root}", "publish.catalog=none", f"monitor.gateway={address}")
    return [*(part for text in settings for part in ("--set", text)), "--ds", DS]


def summary(root: Path) -> dict[str, Any]:
    (path,) = (root / "summaries").glob("*.json")
    assert "bgmrec_published" in path.with_suffix(".prom").read_text()
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def raising(error: BaseException) -> Stage:
    def stage(run: Run) -> None:
        raise error

    return stage


def terminate(run: Run) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)
    pytest.fail("SIGTERM did not reach Python")


@pytest.mark.parametrize(
    ("stage", "status", "text"),
    [
        (raising(ZeroDivisionError("division by zero")), EXIT_UNEXPECTED, "unexpected ZeroDivisionError"),
        (raising(QualityGateError("too few rows")), EXIT_QUALITY_GATE, "too few rows"),
        (raising(OSError(28, "No space left on device")), EXIT_STORAGE, "no space"),
        (raising(KeyboardInterrupt()), EXIT_UNEXPECTED, "interrupted"),
        (terminate, EXIT_UNEXPECTED, "interrupted"),
    ],
)
def test_every_failure_is_reported(
    run_nightly: Callable[..., int], gateway: Gateway, tmp_path: Path, stage: Stage, status: int, text: str
) -> None:
    assert run_nightly(lambda run: None) == 0
    assert gateway.pushes[-1]["bgmrec_published"] == 1
    for path in (tmp_path / "summaries").iterdir():
        path.unlink()
    assert run_nightly(stage) == status
    assert (gateway.pushes[-1]["bgmrec_published"], gateway.pushes[-1]["bgmrec_exit_status"]) == (0, status)
    result = summary(tmp_path)["result"]
    assert (result["published"], result["exit_status"]) == (False, status) and text in result["error"]


def test_a_failed_job_of_one_stage_is_reported_too(
    spark: SparkSession, tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "start_session", lambda settings: spark)
    monkeypatch.setattr(evaluate.evaluate, "stage", raising(ZeroDivisionError()))
    assert evaluate.main(arguments(tmp_path, f"http://127.0.0.1:{gateway.server_port}")) == EXIT_UNEXPECTED
    assert gateway.pushes[-1]["bgmrec_published"] == 0 and not summary(tmp_path)["result"]["published"]


def test_a_failed_start_is_pushed(
    run_nightly: Callable[..., int], gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(settings: object) -> SparkSession:
        raise SettingsError("no Java")

    monkeypatch.setattr(job, "start_session", fail)
    assert run_nightly(lambda run: None) == 2
    assert (gateway.pushes[-1]["bgmrec_published"], gateway.pushes[-1]["bgmrec_exit_status"]) == (0, 2)


@pytest.mark.parametrize("stage_status", [(lambda run: None, 0), (raising(QualityGateError("x")), EXIT_QUALITY_GATE)])
@pytest.mark.parametrize("address", ["garbage", "http://me:${BGMREC_NO_TOKEN}@127.0.0.1", "http://127.0.0.1:9", "::"])
def test_the_gateway_never_changes_the_status(
    run_nightly: Callable[..., int], tmp_path: Path, stage_status: tuple[Stage, int], address: str
) -> None:
    stage, status = stage_status
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if address == "garbage":
            threading.Thread(target=answer_garbage, args=(listener,), daemon=True).start()
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert run_nightly(stage, address) == status
    assert summary(tmp_path)["result"]["published"] == (status == 0)


def answer_garbage(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def test_the_metrics_are_pushed_even_if_the_summary_cannot_be_written(
    run_nightly: Callable[..., int], gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "summaries").write_text("a file where the folder would be")
    assert run_nightly(raising(QualityGateError("x"))) == EXIT_QUALITY_GATE
    assert gateway.pushes[-1]["bgmrec_exit_status"] == EXIT_QUALITY_GATE


def test_a_run_that_has_to_wait_reports_nothing(
    run_nightly: Callable[..., int], gateway: Gateway, tmp_path: Path, spark: SparkSession
) -> None:
    lock = Lock(FileDocuments(Tables(spark, f"{tmp_path}/work/_locks/ds={DS}")))
    lock.acquire(1.0)
    assert run_nightly(lambda run: None) == EXIT_BUSY
    lock.release()
    assert gateway.pushes == [] and not (tmp_path / "summaries").exists()


def test_a_run_that_lost_its_lock_reports_nothing(
    run_nightly: Callable[..., int], gateway: Gateway, tmp_path: Path
) -> None:
    def lose(run: Run) -> None:
        assert run.lock is not None
        run.lock.lost = True
        raise KeyboardInterrupt

    assert run_nightly(lose) == EXIT_BUSY
    assert gateway.pushes == [] and not (tmp_path / "summaries").exists()
