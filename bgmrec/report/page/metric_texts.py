"""What the metrics of the page mean, in one sentence each."""

from __future__ import annotations

from collections.abc import Collection

from bgmrec.evaluate.metrics import NAMES, metric_name
from bgmrec.report.page.parts import Table, Titled

_TEXTS = {
    "ndcg": "How many held-out tracks are among the first {k} of a list, and how near the top. 1: all, in the first "
    "positions; 0: none.",
    "recall": "Share of a user's held-out tracks that are among the first {k} of the list.",
    "hit_rate": "Share of users with at least one held-out track among the first {k}.",
    "mrr": "1 / position of the first held-out track within the first {k}; 0 if there is none.",
    "map": "Precision at the position of each held-out track, averaged over the held-out tracks.",
    "precision": "Share of the first {k} that are held-out tracks.",
    "pooled_recall": "Share of all held-out tracks of all users that are among the first {k} of their lists.",
    "rmse": "Root of the mean squared error of predicted ratings. Lower is better.",
    "mae": "Mean absolute error of predicted ratings. Lower is better.",
}


def metric_texts(metrics: Collection[str], k: int) -> Titled:
    """A table with the meaning of each metric.

    Args:
        metrics: names of the metrics on the page.
        k: cut-off.
    """
    rows = [
        [metric_name(metric, k), _TEXTS[metric].format(k=k)]
        for metric in NAMES
        if metric in metrics and metric in _TEXTS
    ]
    return Titled(
        "What do the metrics mean?",
        Table(["metric", "meaning"], rows, words=2),
        note="Held-out tracks: tracks whose ratings were kept out of the training and are at least "
        "evaluate.relevant_rating. All values but pooled recall, RMSE and MAE are means over users.",
    )
