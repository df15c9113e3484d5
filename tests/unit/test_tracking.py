"""A run in a tracking store of MLflow, read back through its own client; and stores that cannot be used."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from bgmrec.runtime.tracking import RUN_ID, Tracked, named, track
from tests.warehouse.servers import free_port

pytest.importorskip("mlflow", reason="the packages of bgmrec[mlflow] are not installed")

SECRET = "s3cret-of-the-test"
RUN = Tracked(
    "2025-03-14-001",
    params={f"section.key{n}": str(n) for n in range(150)} | {"items.fields": "x" * 7000, "train.metric": "ndcg"},
    metrics=[("round/valid", 0.5, 1), ("round/valid", 0.25, 2), ("metrics/model/ndcg@10", 0.125, 0)],
    tags={"bgmrec.model_location": "file:/models/2025-03-14-001"},
    files={"report.html": b"<html>", "settings.json": b"{}"},
)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


def test_a_run_is_read_back(uri: str, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    facts = track(RUN, uri, "bgm", str(tmp_path / "files"))
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(facts["run_id"])
    assert run.info.status == "FINISHED" and run.info.run_name == "2025-03-14-001"
    assert client.get_experiment(run.info.experiment_id).name == facts["experiment"] == "bgm"
    assert len(run.data.params) == 152 and run.data.params["train.metric"] == "ndcg"
    assert len(run.data.params["items.fields"]) == 6000
    assert run.data.tags["bgmrec.model_location"] == "file:/models/2025-03-14-001"
    assert run.data.metrics["metrics/model/ndcg_at_10"] == 0.125
    by_round = client.get_metric_history(facts["run_id"], "round/valid")
    assert sorted((metric.step, metric.value) for metric in by_round) == [(1, 0.5), (2, 0.25)]
    assert sorted(file.path for file in client.list_artifacts(facts["run_id"])) == ["report.html", "settings.json"]
    assert (tmp_path / "files" / facts["run_id"] / "artifacts" / "report.html").read_bytes() == b"<html>"


def test_a_repeated_command_logs_the_same_run_again(uri: str, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    first = track(RUN, uri, "bgm", str(tmp_path / "files"))
    again = replace(RUN, metrics=[("round/valid", 0.75, 2)], params={**RUN.params, "train.metric": "rmse", "new": "1"})
    assert track(again, uri, "bgm", None) == first
    other = track(replace(RUN, run_id="2025-03-14-002"), uri, "bgm", None)
    assert other["run_id"] != first["run_id"]
    data = client.get_run(first["run_id"]).data
    assert data.metrics["round/valid"] == 0.75 and data.tags[RUN_ID] == "2025-03-14-001"
    assert (data.params["train.metric"], data.params["new"]) == ("ndcg", "1"), "a parameter of mlflow never changes"


def test_a_server_that_does_not_answer_is_a_warning_without_its_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRACKING_PASSWORD", SECRET)
    began = time.monotonic()
    facts = track(RUN, f"http://bgm:${{TRACKING_PASSWORD}}@127.0.0.1:{free_port()}", "bgm", None)
    assert facts.keys() == {"warning"} and SECRET not in facts["warning"] + caplog.text
    assert time.monotonic() - began < 60


def test_a_missing_secret_is_a_warning() -> None:
    assert "MISSING_VARIABLE" in track(RUN, "http://bgm:${MISSING_VARIABLE}@127.0.0.1:1", "bgm", None)["warning"]


def test_names_of_mlflow() -> None:
    assert named("metrics/model/ndcg@10") == "metrics/model/ndcg_at_10"
    assert named('a."b"') == "a._b_"
