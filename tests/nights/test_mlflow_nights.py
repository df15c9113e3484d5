"""A night is logged to MLflow; one whose tracking server is down is published all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.nights import LAST_DAY, night_arguments, run_job, small_world
from tests.warehouse.servers import free_port

SECRET = "s3cret-of-the-test"
LIGHT = ("user_encoder.kind=none", "item_encoder.kind=linear", "train.rounds=2", "train.patience=5")


def test_a_night_is_logged_and_a_server_that_is_down_does_not_fail_it(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="the packages of bgmrec[mlflow] are not installed")
    from mlflow.tracking import MlflowClient

    world, root = small_world(tmp_path / "world"), tmp_path / "root"
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    spark_secret = f'spark.conf."spark.hadoop.fs.s3a.secret.key"={SECRET}'
    sets = (*LIGHT, spark_secret, "report.enabled=true", "mlflow.experiment=bgm", f"mlflow.artifacts={tmp_path}/files")
    arguments = night_arguments(world, root, LAST_DAY, *sets)
    run_job("nightly", *arguments, "--set", f"mlflow.tracking_uri={uri}")

    summary = json.loads((root / "summaries" / f"{LAST_DAY}-001.json").read_text())
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(summary["mlflow"]["run_id"])
    assert run.info.run_name == f"{LAST_DAY}-001" and run.data.params["factorize.rank"] == "8"
    objective = client.get_metric_history(run.info.run_id, "round/objective/total")
    assert sorted(metric.step for metric in objective) == [1, 2]
    assert run.data.metrics["published_rows/recommendations"] == summary["published"]["recommendations"]["rows"]
    assert run.data.tags["bgmrec.model_location"].rstrip("/").endswith(f"models/{LAST_DAY}-001")
    files = tmp_path / "files" / run.info.run_id / "artifacts"
    assert (files / "report.html").read_bytes() == Path(summary["report"]).read_bytes()
    logged = [*files.iterdir(), tmp_path / "mlflow.db"]
    assert not [file.name for file in logged if SECRET.encode() in file.read_bytes()]

    nowhere = f"mlflow.tracking_uri=http://127.0.0.1:{free_port()}"
    again = run_job("recommend", *arguments, "--set", nowhere)
    assert "could not be logged to mlflow" in again.stderr
    newest = json.loads(sorted((root / "summaries").glob("*.json"))[-1].read_text())
    assert newest["result"]["published"] and "warning" in newest["mlflow"]
