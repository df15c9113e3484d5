"""The results of the benchmarks as Markdown tables: comparisons with peers, and the stages of whole runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bgmrec.report.result_blocks import Block, Notes, figure, markdown_table, no_rows, no_such_table

COMPARISONS, STAGES = "comparisons", "stages"
# smallest acceptable ratio by name and options; a comparison inside a benchmark is named after it
TARGETS = {
    "als --iterations 3": 8.0,
    "als --rank 128 --iterations 3": 10.0,
    "als --implicit": 0.67,
    "blocks --users 50000 --items 10000 --ratings 5000000": 4.0,
    "topn": 10.0,
    "topn --users 50000 --ratings 5000000 --peer implicit": 0.67,
    "kernel": 0.20,
    "kernel --rank 128": 0.30,
    "bayes": 0.80,
    "encode --users 50000 --items 10000 --ratings 5000000": 0.77,
    "encode, two processes": 1.6,
    "scale": 0.87,
    "skew --users 1000000 --items 200000 --ratings 10000000": 0.77,
    # a warm run takes at most 35 % of a full one
    "warm --items 20000 --ratings 10000000 --config conf/demo.toml --config conf/demo-large.toml": 2.86,
}


def benchmark_table(results: Sequence[dict[str, Any]]) -> Callable[[Block], str]:
    """What makes the table of a block: `comparisons` or `stages`.

    Conditions may name any key of a JSON line, such as `name` or `benchmark`; a blank in a value is written `_`.

    Args:
        results: the JSON lines of all benchmarks. Of several lines of a benchmark on a processor the last one counts.
    """
    tables = {COMPARISONS: _comparisons, STAGES: _stages}

    def render(block: Block) -> str:
        if block.name not in tables:
            raise no_such_table(block, tables)
        rows = [row for row in _latest(results) if block.accepts(_without_blanks(row))]
        if block.name == STAGES:
            rows = [row for row in rows if row["name"] == "warm" and "seconds" in row]
        if not rows:
            raise no_rows(block)
        return tables[block.name](rows)

    return render


def _without_blanks(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.replace(" ", "_") if isinstance(value, str) else value for key, value in row.items()}


def _latest(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last result of every benchmark and processor, by benchmark."""
    latest = {}
    for result in results:
        measured = result["measured"]
        latest[result["benchmark"], measured.get("processor"), measured.get("remark")] = result
    return [latest[key] for key in sorted(latest, key=str)]


def _comparisons(rows: list[dict[str, Any]]) -> str:
    notes = Notes()
    lines = []
    for row in rows:
        measured, target = row["measured"], TARGETS.get(row["benchmark"])
        remark = f" ({measured['remark']})" if "remark" in measured else ""
        last_cells = [measured.get("processor", ""), notes.numbers([measured])]
        lines.append([f"`{row['benchmark']}`{remark}", *_cells(row, target), *last_cells])
        for other in row.get("others", []):
            lines.append(["the same run", *_cells(other, TARGETS.get(other["name"])), *last_cells])
    heading = ["benchmark", "work", "bgmrec", "peer", "time of the peer", "ratio", "target"]
    quality = ["quality of bgmrec", "quality of the peer", "quality is", "processor", "measured"]
    return f"{markdown_table([*heading, *quality], lines)}\n\n{notes.markdown()}"


def _cells(row: dict[str, Any], target: float | None) -> list[str]:
    rate = row.get("rate")
    if rate is None:
        ours, peer = (f"{_significant(row[key])} s" for key in ("ours_s", "peer_s"))
    else:
        ours, peer = (f"{_significant(rate[key])} {rate['unit']}" for key in ("ours", "peer"))
    qualities = ["" if row[key] is None else _quality(row[key]) for key in ("quality_ours", "quality_peer")]
    ratio, least = _significant(row["ratio"]), "" if target is None else _significant(target)
    return [row["work"], ours, row["peer_name"], peer, ratio, least, *qualities, row.get("quality", "")]


def _stages(rows: list[dict[str, Any]]) -> str:
    """Seconds by stage of warm runs, and of runs with full training."""
    notes = Notes()
    stages = list(dict.fromkeys(stage for row in rows for stage in row["seconds"]["warm"]))
    lines = []
    for row in rows:
        for kind, times, quality in (("warm", "ours", "quality_ours"), ("full", "peer", "quality_peer")):
            seconds, total = row["seconds"][kind], row[times]
            cells = [f"{seconds[stage]:.0f}" if stage in seconds else "" for stage in stages]
            spread = f" ({total['min_s']:.0f} to {total['max_s']:.0f})" if total["n"] > 1 else ""
            number = notes.numbers([row["measured"]])
            total_text = f"{total['median_s']:.0f}{spread}"
            rounds = ", ".join(str(count) for count in row["rounds"][kind]) if "rounds" in row else ""
            lines.append([f"`{row['benchmark']}`", kind, *cells, total_text, rounds, figure(row[quality], 4), number])
    stage_names = [f"`{stage}`" for stage in stages]
    heading = ["benchmark", "training", *stage_names, "run (from, to)", "rounds", "quality", "measured"]
    return f"{markdown_table(heading, lines)}\n\n{notes.markdown()}"


def _significant(value: float) -> str:
    """Three significant digits, without the zero before the point and without an exponent."""
    text = f"{value:.3g}"
    text = f"{value:.0f}" if "e+" in text else text
    return text.removeprefix("0") if text.startswith("0.") else text


def _quality(value: float) -> str:
    """Four decimals; two of large values, and an exponent of very small ones."""
    if 0 < value < 0.001:
        return f"{value:.1e}"
    return figure(value, 2 if value >= 10 else 4)
