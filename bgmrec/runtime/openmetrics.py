"""A run's summary as OpenMetrics text, which a push gateway takes as it is.

Everything is a gauge: a batch job says how its last run went. The run stands in the labels of `bgmrec_run` alone, so
that a series goes on from night to night.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NUMBERS = {"passed": 1, "failed": 0}

_WORK = {
    "task_seconds": "of the tasks of a stage together",
    "failed_tasks": "tries of tasks that failed",
    "input_bytes": "read from files",
    "shuffle_bytes": "moved between tasks",
    "spilled_bytes": "written to disk because memory was full",
}


@dataclass(frozen=True)
class Family:
    """One metric: its name below `bgmrec_`, what it is, and its samples as (labels, value)."""

    name: str
    help: str
    samples: Sequence[tuple[dict[str, str], float]]

    def lines(self) -> Iterator[str]:
        yield f"# TYPE bgmrec_{self.name} gauge"
        yield f"# HELP bgmrec_{self.name} {self.help}"
        for labels, value in self.samples:
            inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"bgmrec_{self.name}{{{inside}}} {value!r}" if inside else f"bgmrec_{self.name} {value!r}"


def openmetrics(summary: Mapping[str, Any]) -> str:
    """The summary's numbers.

    Args:
        summary: as it is written to summaries/<run_id>.json.
    """
    lines = [line for family in _families(summary) if family.samples for line in family.lines()]
    return "\n".join([*lines, "# EOF", ""])


def _families(summary: Mapping[str, Any]) -> Iterator[Family]:
    run = {name: str(summary[name]) for name in ("run_id", "ds", "fingerprint")}
    yield Family("run", "the last run", [({**run, "version": summary["versions"]["bgmrec"]}, 1)])
    result = summary.get("result", {"published": False})
    yield Family("published", "1 where the last run was published", [({}, int(result["published"]))])
    yield Family("exit_status", "of the last run", [({}, result.get("exit_status", 0 if result["published"] else 1))])
    yield Family("stage_seconds", "time of a stage", _by("stage", summary.get("seconds", {})))
    peaks = {stage: megabytes * 2**20 for stage, megabytes in summary.get("peak_memory_mb", {}).items()}
    yield Family("stage_peak_memory_bytes", "of driver, Java and local workers together", _by("stage", peaks))
    work = summary.get("spark_work", {})
    for kind, help_ in _WORK.items():
        yield Family(f"stage_{kind}", help_, _by("stage", {stage: own[kind] for stage, own in work.items()}))
    rows = [
        ({"section": section, "kind": kind}, value)
        for section, facts in summary.items()
        if section.startswith("ingest_") or section == "build_features"
        for kind, value in facts.items()
        if _is_number(value)
    ]
    yield Family("rows", "rows in, out and rejected, and sizes, by section of the summary", rows)
    published = {table: facts["rows"] for table, facts in summary.get("published", {}).items()}
    yield Family("published_rows", "rows of a published table", _by("table", published))
    metrics = [
        ({"model": model, "metric": metric}, value)
        for model, values in summary.get("metrics", {}).items()
        for metric, value in values.items()
        if _is_number(value)
    ]
    yield Family("metric", "of the model and of the baselines on what was held out", metrics)
    yield from _gate(summary.get("gate", {"checks": [], "forced": None}))


def _gate(gate: Mapping[str, Any]) -> Iterator[Family]:
    labelled = [({"check": check["name"], "where": check["where"]}, check) for check in gate["checks"]]
    measured = [(labels, check["measured"]) for labels, check in labelled if _is_number(check["measured"])]
    passed = [(labels, _NUMBERS[check["status"]]) for labels, check in labelled if check["status"] in _NUMBERS]
    yield Family("gate_measured", "what a check before publishing measured", measured)
    yield Family("gate_passed", "1 where a check passed, 0 where it failed", passed)
    if gate["checks"]:
        yield Family("gate_forced", "1 where failed checks were overridden", [({}, int(gate["forced"] is not None))])


def _by(label: str, values: Mapping[str, float]) -> list[tuple[dict[str, str], float]]:
    return [({label: name}, value) for name, value in values.items()]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
