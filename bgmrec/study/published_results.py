"""What other methods reach on the named protocols, to stand beside a study's own results."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownFigure:
    """Metrics of one method on one protocol.

    Args:
        protocol: name of the study.
        fraction: training fraction; none where the protocol has none.
        method: in the words of its field.
        source: measured (on these very splits, here), or published (on splits of their own: near, not the same).
        metrics: by their names in a study's JSON lines.
    """

    protocol: str
    fraction: float | None
    method: str
    source: str
    metrics: dict[str, float]


_MEASURED, _RANDOM, _DAYS, _COLD = "measured", "ml-1m-random", "kuairand-music-days", "ml-1m-cold"
_PHD = "Liu, Wang, Ding, ACML 2017"

# measured: seeds 0–2 averaged for ml-1m-random at 0.8 and for ml-1m-cold, seed 0 elsewhere
FIGURES = (
    KnownFigure(_RANDOM, 0.8, "user + item bias", _MEASURED, {"rmse": 0.9074, "mae": 0.7172}),
    KnownFigure(_RANDOM, 0.8, "PMF", _MEASURED, {"rmse": 0.8745, "mae": 0.6907}),
    KnownFigure(_RANDOM, 0.8, "Spark MLlib ALS", _MEASURED, {"rmse": 0.8575, "mae": 0.6831}),
    KnownFigure(_RANDOM, 0.8, "biased MF by ALS", _MEASURED, {"rmse": 0.8527, "mae": 0.6689}),
    KnownFigure(_RANDOM, 0.8, "ALS + linear prior means", _MEASURED, {"rmse": 0.8419, "mae": 0.6594}),
    KnownFigure(_RANDOM, 0.8, "Bayesian PMF", _MEASURED, {"rmse": 0.8368, "mae": 0.6532}),
    KnownFigure(_RANDOM, 0.8, "Macau", _MEASURED, {"rmse": 0.8309, "mae": 0.6485}),
    KnownFigure(_RANDOM, 0.8, "Macau + train matrix", _MEASURED, {"rmse": 0.8273, "mae": 0.6459}),
    KnownFigure(_RANDOM, 0.2, "user + item bias", _MEASURED, {"rmse": 0.9201}),
    KnownFigure(_RANDOM, 0.2, "biased MF by ALS", _MEASURED, {"rmse": 0.9106}),
    KnownFigure(_RANDOM, 0.2, "ALS + linear prior means", _MEASURED, {"rmse": 0.8970}),
    KnownFigure(_RANDOM, 0.2, "Macau + train matrix", _MEASURED, {"rmse": 0.8825}),
    KnownFigure(_RANDOM, 0.9, "Macau + train matrix", _MEASURED, {"rmse": 0.8218}),
    KnownFigure(_RANDOM, 0.9, "GLocal-K", "Han et al., CIKM 2021", {"rmse": 0.8227}),
    *(
        KnownFigure(_RANDOM, fraction, method, _PHD, {"rmse": rmse})
        for method, values in {
            "PHD": (0.917, 0.881, 0.865, 0.849),
            "ConvMF": (0.999, 0.915, 0.887, 0.859),
            "PMF": (0.998, 0.931, 0.912, 0.889),
        }.items()
        for fraction, rmse in zip((0.2, 0.4, 0.6, 0.8), values, strict=True)
    ),
    KnownFigure(_DAYS, None, "popularity", _MEASURED, {"ndcg_10": 0.0318, "ndcg_20": 0.0405, "recall_20": 0.0805}),
    KnownFigure(_DAYS, None, "ItemKNN cosine", _MEASURED, {"ndcg_10": 0.0468, "ndcg_20": 0.0608, "recall_20": 0.1283}),
    KnownFigure(_DAYS, None, "implicit's iALS", _MEASURED, {"ndcg_10": 0.0470, "ndcg_20": 0.0618, "recall_20": 0.1331}),
    KnownFigure(_DAYS, None, "EASE", _MEASURED, {"ndcg_10": 0.0479, "ndcg_20": 0.0627, "recall_20": 0.1377}),
    KnownFigure(_DAYS, None, "EASE × trend", _MEASURED, {"ndcg_10": 0.0539, "ndcg_20": 0.0698, "recall_20": 0.1499}),
    KnownFigure(
        _COLD, None, "mean + user or item bias", _MEASURED, {"rmse_cold_item": 1.0661, "rmse_cold_user": 0.9652}
    ),
    KnownFigure(_COLD, None, "content kNN", _MEASURED, {"ndcg_10_cold_items": 0.096}),
    KnownFigure(_COLD, None, "predicted popularity", _MEASURED, {"ndcg_10_cold_items": 0.123}),
    KnownFigure(_COLD, None, "kNN × popularity", _MEASURED, {"ndcg_10_cold_items": 0.124}),
)


def known_figures(protocol: str, fraction: float | None) -> list[KnownFigure]:
    """The figures of other methods on a protocol at a training fraction, in the order above."""
    return [known for known in FIGURES if known.protocol == protocol and known.fraction == fraction]
