"""The stored profiles of all runs, and what of a profile is shown.

`profiles/<logical date>/<ratings, users or items>.json` below `paths.root` holds the profile of each source and how it
differs from the runs before. `refused`: the changes ended the run, and later runs are not compared with it.
`accepted`: the run was forced, and later runs are not compared with those before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bgmrec.storage import files
from bgmrec.storage.tables import Tables

PROFILES = "profiles"  # below paths.root
SOURCES, CHANGES, REFUSED, ACCEPTED = "sources", "changes", "refused", "accepted"

_SHOWN = 10  # most frequent values in the summary


def profiles_before(root: Tables, ds: str, kind: str, n: int) -> list[dict[str, Any]]:
    """Profile by source of the newest runs before a date that it is to be compared with.

    Args:
        root: everything below `paths.root`.
        ds: the logical date.
        kind: ratings, users or items.
        n: how many runs at most.
    """
    names = [path.rsplit("/", 1)[-1] for path in files.children(root.spark, root.path(PROFILES))]
    runs: list[dict[str, Any]] = []
    for name in sorted((name for name in names if name < ds), reverse=True):
        document = root.below(PROFILES).below(name).read_json(kind)
        if document is None or document[REFUSED]:
            continue
        runs.append(document[SOURCES])
        if document[ACCEPTED] or len(runs) == n:
            break
    return runs


def shown(profile: Mapping[str, Any]) -> dict[str, Any]:
    """A source's profile as the summary has it: fewer values, times as text, no ids of people.

    Args:
        profile: of one source.
    """
    ids = {name: {key: value for key, value in facts.items() if key != "top"} for name, facts in profile["ids"].items()}
    if "item_id" in ids:
        ids["item_id"]["top"] = profile["ids"]["item_id"]["top"][:_SHOWN]
    fields = {}
    for name, field in profile["fields"].items():
        quantiles = field["quantiles"]
        fields[name] = {
            "nulls": field["nulls"],
            "low": _shown_number(field["low"], field["kind"]),
            "median": quantiles[len(quantiles) // 2] if quantiles else None,
            "high": _shown_number(field["high"], field["kind"]),
            "top": field["top"][:_SHOWN],
        }
    return {**profile, "ids": ids, "fields": fields}


def _shown_number(value: float | None, kind: str) -> float | str | None:
    if value is None or kind != "timestamp":
        return value
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%S")
