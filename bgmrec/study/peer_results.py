"""What other methods reach on the protocols, to compare a study's results with. Sources: shared/DATA.md, papers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MEASURED = "measured"  # on the very splits of the protocol; other sources measured on splits of their own


@dataclass(frozen=True)
class PeerResult:
    """Metrics of another method on one protocol.

    Args:
        protocol: its name.
        fraction: training fraction; None where the protocol has none.
        method: its usual name.
        source: `MEASURED`, or the paper.
        metrics: by their names in a study's JSON lines.
    """

    protocol: str
    fraction: float | None
    method: str
    source: str
    metrics: dict[str, float]


_RANDOM, _DAYS, _COLD = "ml-1m-random", "kuairand-music-days", "ml-1m-cold"
_PHD = "Liu, Wang, Ding, ACML 2017"

# (RMSE, MAE) at 0.8, mean of seeds 0–2; RMSE at 0.2, seed 0; RMSE at 0.9, seed 0 where it is given
_RATING_METHODS = {
    "user + item bias": (0.9074, 0.7172, 0.9201, None),
    "PMF, raw ratings": (0.8810, 0.6896, 1.0239, None),
    "PMF": (0.8745, 0.6907, 0.9578, None),
    "Spark MLlib ALS": (0.8575, 0.6831, 0.9355, None),
    "biased MF by ALS": (0.8527, 0.6689, 0.9106, None),
    "biased MF by SGD": (0.8491, 0.6674, None, None),
    "ALS + linear prior means": (0.8419, 0.6594, 0.8970, None),
    "Bayesian PMF": (0.8368, 0.6532, 0.8967, 0.8317),
    "Macau": (0.8309, 0.6485, 0.8884, 0.8263),
    "Macau + train matrix": (0.8273, 0.6459, 0.8825, 0.8218),
}
# RMSE at 0.2, 0.4, 0.6 and 0.8 in the paper of PHD
_PHD_TABLE = {
    "PHD": (0.917, 0.881, 0.865, 0.849),
    "ConvMF": (0.999, 0.915, 0.887, 0.859),
    "PMF": (0.998, 0.931, 0.912, 0.889),
}
# NDCG@10, NDCG@20, Recall@20, coverage@20
_MUSIC_METHODS = {
    "popularity": (0.0318, 0.0405, 0.0805, 0.005),
    "popularity of the last 3 days": (0.0263, 0.0370, 0.0868, 0.005),
    "ItemKNN cosine": (0.0468, 0.0608, 0.1283, 0.651),
    "implicit's iALS": (0.0470, 0.0618, 0.1331, 0.057),
    "EASE": (0.0479, 0.0627, 0.1377, 0.211),
    "EASE × trend": (0.0539, 0.0698, 0.1499, 0.193),
}
# means of seeds 0–2
_COLD_METHODS = {
    "mean + user or item bias": {"rmse_cold_item": 1.0661, "rmse_cold_user": 0.9652},
    "content kNN": {"ndcg_10_cold_items": 0.0963},
    "predicted popularity": {"ndcg_10_cold_items": 0.1227},
    "kNN × popularity": {"ndcg_10_cold_items": 0.1243},
}


def peer_results(protocol: str, fraction: float | None) -> list[PeerResult]:
    """The results of other methods on a protocol at a training fraction.

    Args:
        protocol: its name.
        fraction: training fraction; None where the protocol has none.
    """
    return [peer for peer in all_peer_results() if (peer.protocol, peer.fraction) == (protocol, fraction)]


def all_peer_results() -> Iterator[PeerResult]:
    """The results of other methods on all protocols."""
    for method, (rmse, mae, rmse_20, rmse_90) in _RATING_METHODS.items():
        yield PeerResult(_RANDOM, 0.8, method, MEASURED, {"rmse": rmse, "mae": mae})
        for fraction, error in ((0.2, rmse_20), (0.9, rmse_90)):
            if error is not None:
                yield PeerResult(_RANDOM, fraction, method, MEASURED, {"rmse": error})
    yield PeerResult(_RANDOM, 0.9, "GLocal-K", "Han et al., CIKM 2021", {"rmse": 0.8227})
    for method, errors in _PHD_TABLE.items():
        for fraction, error in zip((0.2, 0.4, 0.6, 0.8), errors, strict=True):
            yield PeerResult(_RANDOM, fraction, method, _PHD, {"rmse": error})
    for method, values in _MUSIC_METHODS.items():
        names = ("ndcg_10", "ndcg_20", "recall_20", "coverage_20")
        yield PeerResult(_DAYS, None, method, MEASURED, dict(zip(names, values, strict=True)))
    for method, metrics in _COLD_METHODS.items():
        yield PeerResult(_COLD, None, method, MEASURED, metrics)
