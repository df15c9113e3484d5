"""The results of a study as Markdown tables: mean and standard deviation over seeds, baselines, other methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, stdev
from typing import Any

from bgmrec.report.result_blocks import Block, Notes, figure, markdown_table, no_rows, no_such_table
from bgmrec.study.console_table import BASELINES, METRICS
from bgmrec.study.peer_results import all_peer_results
from bgmrec.study.protocols import PROTOCOLS

_HEADINGS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "rmse_cold_item": "RMSE, cold items",
    "rmse_cold_user": "RMSE, cold users",
    "ndcg_10": "NDCG@10",
    "ndcg_20": "NDCG@20",
    "recall_20": "Recall@20",
    "coverage_20": "coverage@20",
    "ndcg_10_cold_items": "NDCG@10, cold items",
}
_SHARES = ("coverage_20",)  # shown with three decimals, all others with four
# the row's kind comes first: models, then baselines of the same runs, then other methods
_KINDS = ("model", "baseline", "peer")
_KEYS = ("protocol", "fraction", "kind", "model", "side_information", "part", "options")
_DEFAULTS = {"side_information": "real", "part": "test", "options": ""}


def accuracy_table(results: Sequence[dict[str, Any]]) -> Callable[[Block], str]:
    """What makes the table of a block; its name is a protocol.

    Conditions may name protocol, fraction, kind (model, baseline or peer), model, side_information, part and options.

    Args:
        results: the JSON lines of all studies. A line is a trial, or a summary of several seeds that was copied from
            a document: then `seeds` lists them, `spread` holds the sample standard deviation of each metric, and
            `digits` the decimals of the document where they are fewer than usual.
    """

    def render(block: Block) -> str:
        if block.name not in PROTOCOLS:
            raise no_such_table(block, PROTOCOLS)
        rows = [row for row in _rows(results) if row["protocol"] == block.name and block.accepts(row)]
        rows = [row for row in rows if any(name in row for name in METRICS)]
        if not rows:
            raise no_rows(block)
        return _table(rows)

    return render


def _rows(results: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Models, baselines and other methods with the same keys."""
    for result in results:
        row = {**_DEFAULTS, **result, "kind": "model"}
        yield row
        for name, metrics in result.get(BASELINES, {}).items():
            shared = {key: row[key] for key in (*_KEYS, "seed", "seeds", "measured") if key in row}
            # models of one run share their baselines, whatever options they have
            yield {**shared, "options": "", "kind": "baseline", "model": f"baseline: {name}", **metrics}
    for peer in all_peer_results():
        name = f"{peer.method} ({peer.source})"
        yield {**_DEFAULTS, "protocol": peer.protocol, "fraction": peer.fraction, "model": name, "kind": "peer"} | (
            peer.metrics
        )


def _table(rows: list[dict[str, Any]]) -> str:
    notes = Notes()
    metrics = [name for name in METRICS if any(name in row for row in rows)]
    groups = sorted(_groups(rows), key=lambda group: _order(group, metrics))
    heading = ["model", "training share", "side information", "options", "seeds", *(_HEADINGS[m] for m in metrics)]
    varied = {key: len({str(row[key]) for row in rows}) > 1 for key in ("fraction", "side_information")}
    lines = [_line(group, metrics, varied, notes) for group in groups]
    table = markdown_table([*heading, "seconds", "measured"], lines)
    return f"{table}\n\n{notes.markdown()}"


def _groups(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows that differ in their seed alone. Of a seed the last line counts; trials replace a summary of seeds."""
    groups: dict[tuple[Any, ...], dict[int | None, dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in _KEYS), {})[row.get("seed")] = row
    for by_seed in groups.values():
        if len(by_seed) > 1:
            by_seed.pop(None, None)
    return [list(by_seed.values()) for by_seed in groups.values()]


def _order(group: list[dict[str, Any]], metrics: list[str]) -> tuple[Any, ...]:
    """By training share, kind, and the first metric that the rows have: small errors first, large others first."""
    row = group[0]
    name = next(name for name in metrics if name in row)
    value = fmean(row[name] for row in group if name in row)
    is_error = name.startswith(("rmse", "mae"))
    kind, position = _KINDS.index(row["kind"]), metrics.index(name)
    return -(row["fraction"] or 0), kind, position, value if is_error else -value, row["model"]


def _line(group: list[dict[str, Any]], metrics: list[str], varied: dict[str, bool], notes: Notes) -> list[str]:
    row = group[0]
    fraction = f"{row['fraction']:.0%}".replace("%", " %") if varied["fraction"] and row["fraction"] else ""
    side_information = row["side_information"] if varied["side_information"] and row["kind"] != "peer" else ""
    seconds = [row["seconds"] for row in group if "seconds" in row]
    return [
        f"`{row['model']}`{'' if row['part'] == 'test' else ', on valid'}" if row["kind"] == "model" else row["model"],
        fraction,
        side_information,
        f"`{row['options']}`" if row["options"] else "",
        ", ".join(str(seed) for seed in _seeds(group)),
        *(_cell(group, name) for name in metrics),
        f"{fmean(seconds):.0f}" if seconds else "",
        notes.numbers(row["measured"] for row in group if "measured" in row),
    ]


def _seeds(group: list[dict[str, Any]]) -> list[int]:
    return sorted(seed for row in group for seed in row.get("seeds", [row["seed"]] if "seed" in row else []))


def _cell(group: list[dict[str, Any]], name: str) -> str:
    """Mean ± sample standard deviation over the seeds."""
    values = [row[name] for row in group if name in row]
    if not values:
        return ""
    digits = group[0].get("digits", 3 if name in _SHARES else 4)
    spread = stdev(values) if len(values) > 1 else group[0].get("spread", {}).get(name)
    return figure(fmean(values), digits) + ("" if spread is None else f" ± {figure(spread, digits)}")
