"""A run's summary as metrics of Prometheus: an OpenMetrics file, and a registry for a push gateway.

Every metric is a gauge, as a batch job reports on its last run. Only `bgmrec_run` has labels that name the run, so that
all other series continue from run to run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

_CHECK_RESULTS = {"passed": 1, "failed": 0}

_WORK = {
    "task_seconds": "of the tasks of a stage together",
    "failed_tasks": "attempts of tasks that failed",
    "input_bytes": "read from files",
    "shuffle_bytes": "moved between tasks",
    "spilled_bytes": "written to disk because memory was full",
}

Samples = Sequence[tuple[Mapping[str, str], float]]  # (labels, value)


def openmetrics(summary: Mapping[str, Any]) -> bytes:
    """The numbers of a summary as OpenMetrics text.

    Args:
        summary: as it is written to summaries/<run_id>.json.
    """
    return bytes(generate_latest(registry_of(summary)))


def registry_of(summary: Mapping[str, Any]) -> CollectorRegistry:
    """The numbers of a summary as a registry of the Prometheus client.

    Args:
        summary: as it is written to summaries/<run_id>.json.
    """
    registry = CollectorRegistry()
    registry.register(_SummaryCollector(summary))
    return registry


class _SummaryCollector(Collector):
    def __init__(self, summary: Mapping[str, Any]):
        self._summary = summary

    def collect(self) -> Iterator[GaugeMetricFamily]:
        return (family for family in _families(self._summary) if family.samples)


def _families(summary: Mapping[str, Any]) -> Iterator[GaugeMetricFamily]:
    run = {name: str(summary[name]) for name in ("run_id", "ds", "fingerprint")}
    yield _gauge("run", "the last run", [({**run, "version": summary["versions"]["bgmrec"]}, 1)])
    result = summary.get("result", {"published": False})
    yield _gauge("published", "1 where the last run was published", [({}, int(result["published"]))])
    yield _gauge("exit_status", "of the last run", [({}, result.get("exit_status", 0 if result["published"] else 1))])
    yield _gauge("stage_seconds", "time of a stage", _by("stage", summary.get("seconds", {})))
    peaks = {stage: megabytes * 2**20 for stage, megabytes in summary.get("peak_memory_mb", {}).items()}
    yield _gauge("stage_peak_memory_bytes", "of driver, Java and local workers together", _by("stage", peaks))
    work = summary.get("spark_work", {})
    for kind, help_ in _WORK.items():
        yield _gauge(f"stage_{kind}", help_, _by("stage", {stage: counts[kind] for stage, counts in work.items()}))
    rows = [
        ({"section": section, "kind": kind}, value)
        for section, facts in summary.items()
        if section.startswith("ingest_") or section == "build_features"
        for kind, value in facts.items()
        if _is_number(value)
    ]
    yield _gauge("rows", "rows in, out and rejected, and sizes, by section of the summary", rows)
    published = {table: facts["rows"] for table, facts in summary.get("published", {}).items()}
    yield _gauge("published_rows", "rows of a published table", _by("table", published))
    metrics = [
        ({"model": model, "metric": metric}, value)
        for model, values in summary.get("metrics", {}).items()
        for metric, value in values.items()
        if _is_number(value)
    ]
    yield _gauge("metric", "of the model and of the baselines on the held-out ratings", metrics)
    yield from _gate(summary.get("gate", {"checks": [], "forced": None}))


def _gate(gate: Mapping[str, Any]) -> Iterator[GaugeMetricFamily]:
    labelled = [({"check": check["name"], "where": check["where"]}, check) for check in gate["checks"]]
    measured = [(labels, check["measured"]) for labels, check in labelled if _is_number(check["measured"])]
    passed = [
        (labels, _CHECK_RESULTS[check["status"]]) for labels, check in labelled if check["status"] in _CHECK_RESULTS
    ]
    yield _gauge("gate_measured", "what a check before publishing measured", measured)
    yield _gauge("gate_passed", "1 where a check passed, 0 where it failed", passed)
    if gate["checks"]:
        yield _gauge("gate_forced", "1 where failed checks were overridden", [({}, int(gate["forced"] is not None))])


def _gauge(name: str, help_: str, samples: Samples) -> GaugeMetricFamily:
    """A family of gauges whose samples have the same labels.

    Args:
        name: below `bgmrec_`.
        help_: what is measured.
        samples: labels and values.
    """
    names = list(samples[0][0]) if samples else []
    family = GaugeMetricFamily(f"bgmrec_{name}", help_, labels=names)
    for labels, value in samples:
        family.add_metric([labels[label] for label in names], value)
    return family


def _by(label: str, values: Mapping[str, float]) -> Samples:
    return [({label: name}, value) for name, value in values.items()]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
