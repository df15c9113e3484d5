"""Facts of a small invented run, as `report.facts.gather` returns them, with hostile titles."""

from __future__ import annotations

import copy
from typing import Any

HOSTILE = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "$\\frac{1}{0}$ {{ 7 * 7 }} {% raw %}",
    "</title></svg></style>&amp;\x00\x1b[31m",
    "\u202eanticlockwise\u202c مرحبا 音楽 🎵",
    "x" * 3000,
)


def _interval(value: float, lead: float | None = None) -> dict[str, Any]:
    own = {"value": value, "low": value * 0.9, "high": value * 1.1, "p": None}
    return (
        own
        if lead is None
        else {**own, "lead": {"value": lead, "low": lead / 2, "high": lead * 2, "p": 0.004, "adjusted_p": 0.012}}
    )


def _rows(metric: str, k: int | None, values: dict[str, float]) -> list[dict[str, Any]]:
    slices = [("all", "all"), ("user", "warm"), ("user", "cold"), ("item", "warm")]
    slices += [("item_popularity", "10 of 10"), ("item_popularity", "2 of 10"), ("user_activity", "1 of 10")]
    return [
        {"model": model, "slice": of, "value": value, "metric": metric, "k": k, "result": result, "count": 50}
        for of, value in slices
        for model, result in values.items()
    ]


def _why() -> dict[str, Any]:
    top = [{"item_idx": 3, "part": 0.4, "title": HOSTILE[1], "label": HOSTILE[0]}]
    return {"item": -0.1, "ratings": 0.7, "prior": 0.3, "rest": 1e-8, "top": top}


def _person(n: int, source: str | None) -> dict[str, Any]:
    title, label = HOSTILE[n % len(HOSTILE)], HOSTILE[(n + 1) % len(HOSTILE)]
    track = {"item_id": f"t{n}", "title": title, "label": label, "group": "folk"}
    listed = {**track, "position": 1, "item_idx": n, "score": 0.9, "source": source}
    return {
        "user_id": f"user-{n}" if n else HOSTILE[0],
        "source": source,
        "ratings": 7 - n,
        "profile": {"country": HOSTILE[n % len(HOSTILE)], "age": "31"},
        "history": [
            {**track, "rating": 4.0, "day": "2025-01-02"},
            {**track, "title": None, "rating": 3.0, "day": None},
        ],
        "list": [] if source is None else [{**listed, "why": _why()} if source != "popular" else listed],
    }


def _data() -> dict[str, Any]:
    return {
        "values": [{"low": float(n), "high": float(n), "n": 10 * n} for n in range(1, 6)],
        "days": [{"day": f"2025-01-0{n}", "n": 100 + n} for n in range(1, 7)],
        "per_user": [{"level": 0, "ratings": 1, "n": 40}, {"level": 4, "ratings": 4, "n": 10}],
        "per_item": [{"level": 2, "ratings": 2, "n": 20}, {"level": 9, "ratings": 30, "n": 3}],
        "coverage": {"users": {"age": {"entities": 0.9, "ratings": 0.95}}, "items": {}},
        "groups": {"folk": 0.6, HOSTILE[0]: 0.4},
        "rejects": {"rating": [{"source": "log", "reason": "no time", "rows": 3, "examples": list(HOSTILE)}]},
    }


def _input() -> dict[str, Any]:
    """The profile of a log and how it differs from the runs before."""
    ids = {"distinct": 40, "new_share": 0.2, "non_ascii": 3, "point_zero": 0, "largest_share": 0.1}
    rating = {"nulls": 9, "low": 1.0, "median": 4.0, "high": 5.0, "top": [["4.0", 70], [HOSTILE[0], 20]]}
    rated_at = {"nulls": 0, "low": "2025-01-05T00:00:03", "median": None, "high": "2025-01-06T23:59:58", "top": []}
    profile = {
        "format": "csv",
        "files": 2,
        "bytes": 12_345,
        "encodings": {"UTF-8": 2},
        "rows": {"kept": 90, "rejected": 3, "filtered": 5, "after_window": 0},
        "ids": {"user_id": ids, "item_id": {**ids, "new_share": None, "largest_share": None}},
        "fields": {"rating": rating, "rated_at": rated_at},
    }
    change = {"source": "log", "before": None, "now": None, "bound": 0.25, "beyond": False}
    changes = [
        {**change, "what": "stability index of rating", "measured": 0.61, "beyond": True},
        {**change, "what": "rows kept", "before": 100.0, "now": 90, "measured": 1.11, "bound": None},
        {**change, "what": "share of new user_id", "before": 0.1, "now": 0.2, "measured": 0.1, "bound": 0.2},
    ]
    return {"profile": {"log": profile, HOSTILE[0]: profile}, "changes": changes}


_STATES = {"kept": 90, "rejected": 3, "duplicate": 2, "filtered": 5, "after_window": 0}


def run_facts(mode: str = "explicit") -> dict[str, Any]:
    """All facts of a run.

    Args:
        mode: explicit or implicit.
    """
    ndcg, rmse = {"bgmrec": 0.12, "als": 0.09, "popularity": 0.07}, {"bgmrec": 0.91, "als": 0.95}
    explicit = mode == "explicit"
    history = [
        {
            "round": n,
            "objective": {"data": 90.0 / n, "user_prior": 5.0, "item_prior": 4.0, "total": 9.0 + 90.0 / n},
            "user_encoder": [1.0 / n, 0.9 / n],
            "item_encoder": [2.0 / n, 1.9 / n],
            "valid": 0.95 - n / 100,
            "seconds": 3.2,
        }
        for n in (1, 2, 3)
    ]
    levels = [
        {"model": m, "level": n, "rmse": 1.2 - n / 10, "ratings": 20} for n in range(4) for m in ("als", "bgmrec")
    ]
    sizes = {"users": 50, "items": 23, "train": 400, "valid": 60}
    run = {
        "run_id": "2025-01-06-001",
        "ds": "2025-01-06",
        "mode": mode,
        "rank": 8,
        "bias": explicit,
        "draws": 0,
        "title_field": "title",
        "warm_runs": 1,
        "encoders": {"users": "asdae", "items": "text_cnn"},
        "published": {"recommendations": 500, "similar_items": 230},
        "versions": {"bgmrec": "0.1.0"},
        "fingerprint": "abc",
        **sizes,
    }
    before = {"ds": "2025-01-05", "run": {**run, "users": 40}, "data": {**_data(), "groups": {"folk": 1.0}}}
    shares = [("catalogue", 0.5), ("ratings", 0.7), ("bgmrec", 0.9), ("als", 0.8)]
    of_list = {"novelty": 3.2, "ratings": 12.0, "diversity": 0.3, "labels": 8.0, "groups": None, "top_labels": 0.4}
    facts = {
        "run": run,
        "stages": ["ingest_ratings", "train", "recommend"],
        "summary": {
            "seconds": {"ingest_ratings": 4.0, "train": 60.0, "recommend": 9.0},
            "peak_memory_mb": {"train": 2048},
            "spark_work": {
                "train": {
                    "tasks": 70,
                    "failed_tasks": 1,
                    "task_seconds": 41.5,
                    "input_bytes": 9 * 2**20,
                    "shuffle_bytes": 2**20,
                    "spilled_bytes": 3 * 2**20,
                    "spilled_memory_bytes": 9 * 2**20,
                }
            },
            "ingest_ratings": {"rows_in": 100, **_STATES, "sources": {"log": _STATES}, **_input()},
            "ingest_users": {"age_days": {"newest": 0.5, "median": 9.0, "oldest": 41.0}},
            "build_features": {"user_index": 50, "user_index_new": 3, "item_index": 23, "item_index_new": 0},
        },
        "quality": {
            "rows": [*_rows("ndcg", 10, ndcg), *(_rows("rmse", None, rmse) if explicit else [])],
            "fields": [
                {"side": side, "field": field, "value": value, "n": 30, "models": {"bgmrec": _interval(0.12)}}
                for side, field, value in (
                    ("users", "gender", "f"),
                    ("users", "gender", HOSTILE[2]),
                    ("users", "age", "unknown"),
                    ("items", "genre", HOSTILE[0]),
                )
            ],
            "studied": [
                {"model": HOSTILE[0], "fraction": 0.8, "side_information": kind, "rmse": 0.9 + at / 100}
                for kind in ("real", "permuted", "none")
                for at in (0, 1)
            ],
            "history": history,
            "best_round": 3,
            "k": 10,
            "draws": 10_000,
            "comparisons": 3 if explicit else 2,
            "sampled": 50,
            "ranking": {"ndcg": {m: _interval(v, None if m == "bgmrec" else 0.12 - v) for m, v in ndcg.items()}},
            "rating": (
                {"rmse": {m: _interval(v, None if m == "bgmrec" else 0.91 - v) for m, v in rmse.items()}}
                if explicit
                else {}
            ),
            **(
                {
                    "calibration": [{"predicted": n, "given": n + 0.1, "ratings": 9} for n in (2.0, 3.0, 4.0)],
                    "errors": {"user_idx": levels, "item_idx": levels},
                }
                if explicit
                else {}
            ),
        },
        "lists": {
            "sources": {"warm": 40, "cold": 8, "popular": 2},
            "popularity": [
                {"of": of, "slice": slice_, "share": share if slice_ == "10 of 10" else 1 - share}
                for of, share in shares
                for slice_ in ("1 of 10", "10 of 10")
            ],
            "of_lists": {"bgmrec": of_list, "als": of_list},
            "k": 10,
            "listed_users": 40,
        },
        "people": [_person(n, source) for n, source in enumerate(("warm", "warm", "cold", "popular", None))],
        "tracks": [
            {
                "item_id": f"t{n}",
                "title": title,
                "label": "",
                "group": None,
                "ratings": n,
                "similar": [{"position": 1, "similar_item_id": "t9", "title": title, "label": title, "score": 0.9}],
            }
            for n, title in enumerate(HOSTILE)
        ],
        "map": {
            "points": [[n / 7, (n * n) % 5] for n in range(20)],
            "groups": [HOSTILE[n % 4] if n % 5 else None for n in range(20)],
            "shares": [0.4, 0.2],
        },
        "data": _data(),
        "runs": {
            "course": [
                {"ds": day, "run_id": f"{day}-001", "metrics": {m: {"ndcg@10": v, "rmse": v} for m, v in ndcg.items()}}
                for day in ("2025-01-05", "2025-01-06")
            ],
            "before": before,
        },
        "later": {
            "ds": "2025-01-03",
            "run_id": "2025-01-03-001",
            "until": "2025-01-06",
            "days": 3,
            "k": 10,
            "users": 31,
            "targets": 77,
            "draws": 10_000,
            "comparisons": 2,
            "ranking": {
                metric: {"bgmrec": _interval(value), "popularity": _interval(value / 2, value / 2)}
                for metric, value in (("ndcg", 0.1), ("recall", 0.2))
            },
        },
        "cost": {"tables": {"ratings": {"bytes": 2**20, "files": 4, "largest": 2**19}}},
    }  # fmt: skip
    return copy.deepcopy(facts)
