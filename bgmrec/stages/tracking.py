"""What of a published run is logged to MLflow: settings, metrics by round, the report and the model's location."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bgmrec.run.fingerprint import result_settings
from bgmrec.run.state import Run
from bgmrec.runtime.tracking import Tracked, track
from bgmrec.storage import files
from bgmrec.storage.tables import encoded

SECTION = "mlflow"  # of the summary
Metrics = Iterator[tuple[str, float, int]]  # name, value, step


def log_published(run: Run) -> None:
    """Logs a published run, if the settings name a tracking server, and notes in the summary how that ended.

    Args:
        run: that has been published and has its summary.
    """
    mlflow = run.settings.mlflow
    if mlflow.tracking_uri is None:
        return
    name = f"summaries/{run.run_id}"
    summary = run.root.document(name)
    facts = track(tracked(run, summary), mlflow.tracking_uri, mlflow.experiment, mlflow.artifacts)
    run.root.write_json(name, {**summary, SECTION: facts})
    if "run_id" in facts:
        run.progress.done(SECTION, **facts)


def tracked(run: Run, summary: Mapping[str, Any]) -> Tracked:
    """What is logged. Of the settings those that decide the result: no address, account or secret is among them.

    Args:
        run: that has been published.
        summary: of the run.
    """
    record = run.versions.record(run.run_id) or {}
    location = record.get("model", {}).get("location", "")
    model = run.models.load(run.model_id)
    documents = {"settings.json": encoded(result_settings(run.settings)), "summary.json": encoded(summary)}
    report = summary.get("report")
    page = {} if report is None else {"report.html": files.read_bytes(run.spark, report)}
    return Tracked(
        run.run_id,
        params=dict(_flat(result_settings(run.settings))),
        metrics=[*_by_round(model.facts.get("history", [])), *_final(summary)],
        tags={
            "bgmrec.ds": str(run.ds),
            "bgmrec.version": summary["versions"]["bgmrec"],
            "bgmrec.fingerprint": summary["fingerprint"],
            "bgmrec.model_location": location,
            **({} if report is None else {"bgmrec.report": report}),
        },
        files={**documents, **page},
    )


def _flat(settings: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, str]]:
    """Dotted key and value of every setting; a list is one value."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _by_round(history: list[dict[str, Any]]) -> Metrics:
    for entry in history:
        facts = {key: value for key, value in entry.items() if key != "round"}
        yield from ((f"round/{name}", value, entry["round"]) for name, value in _numbers(facts))


def _final(summary: Mapping[str, Any]) -> Metrics:
    for section in ("metrics", "seconds"):
        yield from ((f"{section}/{name}", value, 0) for name, value in _numbers(summary.get(section, {})))
    for table, facts in summary.get("published", {}).items():
        yield f"published_rows/{table}", float(facts["rows"]), 0


def _numbers(facts: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, float]]:
    """Name, with those around it, and value of every number."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{at}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{at}{name}", float(value)
