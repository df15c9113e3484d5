"""Logs a run to an MLflow tracking server; a failure never fails a run."""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgmrec.runtime.logs import logger
from bgmrec.runtime.secrets import filled, redacted

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun
    from mlflow.tracking import MlflowClient

RUN_ID = "bgmrec.run_id"  # tag by which a repeated command finds the run that it logged before
_ENVIRONMENT = {
    # by default mlflow waits for minutes and tries seven times; a server that is there answers at once
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # whose last line is a job's result
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a run talks to the servers of its settings alone
}
_LONGEST = 6000  # characters of a parameter that mlflow takes
_BATCH = 100  # parameters, or tags, that one request takes
_METRICS = 1000  # metrics that one request takes
_NOT_IN_NAMES = re.compile(r"[^\w/. -]")


@dataclass(frozen=True)
class Tracked:
    """What of a run is logged.

    Args:
        run_id: of the run.
        params: settings, by dotted key.
        metrics: name, value and step.
        tags: by name.
        files: name → content of an artifact.
    """

    run_id: str
    params: Mapping[str, str]
    metrics: Sequence[tuple[str, float, int]]
    tags: Mapping[str, str]
    files: Mapping[str, bytes]


def track(tracked: Tracked, uri: str, experiment: str, artifacts: str | None) -> dict[str, str]:
    """Logs a run; a run that was logged before gets the new values.

    A failure is logged as a warning and never raised: a published run stays published.

    Args:
        tracked: what is logged.
        uri: of the tracking server; `${NAME}` is replaced by that environment variable.
        experiment: its name; it is created if it is missing.
        artifacts: where a new experiment keeps files; None: where the server keeps them.

    Returns:
        facts for the summary: `experiment` and `run_id` of mlflow, or `warning`
    """
    secrets: tuple[str, ...] = ()
    try:
        address, secrets = filled(uri, "mlflow.tracking_uri")
        return {"experiment": experiment, "run_id": _log(tracked, _client(address), experiment, artifacts)}
    except Exception as error:  # whatever a server, a database or a proxy may answer, and a missing package
        reason = redacted(f"{type(error).__name__}: {error}", secrets).strip()
        logger.warning(
            "the run is published, but it could not be logged to mlflow: %s\n  where: mlflow.tracking_uri\n  hint: %s",
            reason,
            "check the address, its environment variables and the server, and that bgmrec[mlflow] is installed; "
            "jobs/report.py with the same settings and --ds logs the run again",
        )
        return {"warning": reason}


def named(name: str) -> str:
    """A name that mlflow takes: `ndcg@10` becomes `ndcg_at_10`.

    Args:
        name: of a metric or a setting.
    """
    return _NOT_IN_NAMES.sub("_", name.replace("@", "_at_"))


def _client(address: str) -> MlflowClient:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    logging.getLogger("alembic").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=address)


def _log(tracked: Tracked, client: MlflowClient, experiment: str, artifacts: str | None) -> str:
    from mlflow.entities import Metric, Param, RunTag

    run = _run(tracked, client, experiment, artifacts)
    run_id, began = str(run.info.run_id), int(run.info.start_time)
    metrics = [Metric(named(name), value, began, step) for name, value, step in tracked.metrics]
    known = run.data.params  # mlflow never changes a parameter
    params = [Param(named(key), value[:_LONGEST]) for key, value in tracked.params.items() if named(key) not in known]
    tags = [RunTag(key, value) for key, value in tracked.tags.items()]
    for first in range(0, len(params), _BATCH):
        client.log_batch(run_id, params=params[first : first + _BATCH])
    for first in range(0, len(metrics), _METRICS):
        client.log_batch(run_id, metrics=metrics[first : first + _METRICS])
    client.log_batch(run_id, tags=tags)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in tracked.files.items():
            (Path(folder) / name).write_bytes(content)
        client.log_artifacts(run_id, folder)
    client.set_terminated(run_id)
    return run_id


def _run(tracked: Tracked, client: MlflowClient, experiment: str, artifacts: str | None) -> MlflowRun:
    """The run of mlflow that holds this run: one that was logged before, or a new one."""
    found = client.get_experiment_by_name(experiment)
    experiment_id = client.create_experiment(experiment, artifacts) if found is None else found.experiment_id
    same: Any = client.search_runs([experiment_id], f"tags.`{RUN_ID}` = '{tracked.run_id}'", max_results=1)
    if same:
        return same[0]
    return client.create_run(experiment_id, run_name=tracked.run_id, tags={RUN_ID: tracked.run_id})
