"""The checks of the gate as a Markdown table, for bgmrec/publish/README.md.

`python -m bgmrec.publish.gate_table` prints it.
"""

from __future__ import annotations

import sys

from bgmrec.config.serving import GateSettings

# check → setting of its threshold, and unit
THRESHOLDS = {
    "rows": ("min_rows", "rows of each table"),
    "share of rows lost": ("max_shrink_share", "share, for each table"),
    "share of ratings lost": ("max_ratings_lost_share", "share"),
    "share of scores out of range": ("max_out_of_range_share", "share"),
    "user coverage": ("min_user_coverage", "share"),
    "catalogue coverage": ("min_catalogue_coverage", "share"),
    "relative metric loss": ("max_metric_loss", "share"),
    "relative metric gain": ("min_metric_gain", "share"),
}
# check whose setting is not a threshold → setting, and unit
MODES = {"input changes": ("input_changes", "changes, for ratings, users and items")}
# check without a setting → meaning; none is allowed
FIXED = {
    "rows with nulls": "Rows of each table with a null in a column that the contract requires.",
    "duplicate keys": "Rows of each table beyond the first of their key.",
    "invalid scores": "Scores of each table that are not finite, and similarities outside -1 to 1.",
    "rules of the lists": "One check for each rule: lists longer than `recommend.n`, gaps in the positions, wrong "
    "order, repeated items, items that the user has seen.",
}


def document() -> str:
    """All checks with setting, default, unit and meaning."""
    rows = ["| check | setting in `[publish.gate]` | default | unit | meaning |", "|---|---|---|---|---|"]
    for check, (setting, unit) in {**THRESHOLDS, **MODES}.items():
        field = GateSettings.model_fields[setting]
        meaning = " ".join((field.description or "").split())
        rows.append(f"| {check} | `{setting}` | {field.default} | {unit} | {meaning} |")
    rows += [f"| {check} | none | 0 | rows | {meaning} |" for check, meaning in FIXED.items()]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(f"{document()}\n")
