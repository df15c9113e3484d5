"""The OpenMetrics text of a summary, read back by the strict parser of the Prometheus client."""

from __future__ import annotations

from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bgmrec.runtime.openmetrics import openmetrics

IDENTITY = {"run_id": "2025-01-31-001", "ds": "2025-01-31", "fingerprint": "abc", "versions": {"bgmrec": "0.1.0"}}
CHECKS = [
    {"name": "rows", "where": "recommendations", "status": "passed", "measured": 8, "threshold": "at least 1"},
    {"name": "gaps", "where": "top_n", "status": "failed", "measured": 3, "threshold": "at most 0"},
    {"name": "share of rows lost", "where": "recommendations", "status": "skipped", "measured": None, "threshold": ""},
]
SUMMARY = {
    **IDENTITY,
    "seconds": {"train": 12.5, "recommend": 3},
    "peak_memory_mb": {"train": 2},
    "ingest_ratings": {"rows_in": 10, "rejected": 1, "reasons": {"no user": 1}},
    "build_features": {"refitted": True, "train": 7},
    "published": {"recommendations": {"rows": 8, "location": "file:/x"}},
    "metrics": {"bgmrec": {"ndcg@10": 0.126}, 'odd "model"\n\\': {"ndcg@10": 0.1}},
    "gate": {"checks": CHECKS, "failed": 1, "forced": {"reason": "late log"}},
    "result": {"published": True},
}


def parsed(summary: dict[str, Any]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(openmetrics(summary).decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def sample(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"bgmrec_{name}", frozenset(labels.items())


def test_every_number_of_the_summary_is_a_sample() -> None:
    assert parsed(SUMMARY) == {
        sample("run", run_id="2025-01-31-001", ds="2025-01-31", fingerprint="abc", version="0.1.0"): 1,
        sample("published"): 1,
        sample("exit_status"): 0,
        sample("stage_seconds", stage="train"): 12.5,
        sample("stage_seconds", stage="recommend"): 3,
        sample("stage_peak_memory_bytes", stage="train"): 2 * 2**20,
        sample("rows", section="ingest_ratings", kind="rows_in"): 10,
        sample("rows", section="ingest_ratings", kind="rejected"): 1,
        sample("rows", section="build_features", kind="train"): 7,
        sample("published_rows", table="recommendations"): 8,
        sample("metric", model="bgmrec", metric="ndcg@10"): 0.126,
        sample("metric", model='odd "model"\n\\', metric="ndcg@10"): 0.1,
        sample("gate_measured", check="rows", where="recommendations"): 8,
        sample("gate_measured", check="gaps", where="top_n"): 3,
        sample("gate_passed", check="rows", where="recommendations"): 1,
        sample("gate_passed", check="gaps", where="top_n"): 0,
        sample("gate_forced"): 1,
    }


def test_a_run_that_failed_early_says_so() -> None:
    failed = {**IDENTITY, "result": {"published": False, "exit_status": 3, "error": "no log"}}
    samples = parsed(failed)
    assert (samples[sample("published")], samples[sample("exit_status")]) == (0, 3)
    assert len(samples) == 3
