"""Names of the metrics of an evaluation: settings name them before anything is evaluated."""

RATING = ("rmse", "mae")
RANKING = ("ndcg", "recall", "pooled_recall", "precision", "map", "mrr", "hit_rate")
CATALOGUE = ("coverage", "gini")
LOWER_IS_BETTER = frozenset(RATING)  # of all others more is better


def metric_key(metric: str, k: int | None) -> str:
    """The name of a metric in tables and documents: `rmse`, `ndcg@10`."""
    return metric if k is None else f"{metric}@{k}"
