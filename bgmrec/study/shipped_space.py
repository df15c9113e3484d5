"""The search space where `tune.space` is empty: the few settings that matter most, by mode.

The ranges hold the best values of all data sets that bgmrec was measured on, with room on both sides. Regularisation
and the weight of pairs that were not observed are drawn evenly on a logarithmic scale: their best values differ between
data sets by factors of a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bgmrec.config import Settings
from bgmrec.config.tune import SearchKey


def shipped_space(settings: Settings) -> list[SearchKey]:
    """The keys to search.

    Encoders are searched as they are configured, and without: where they do harm, the search leaves them out.

    Args:
        settings: mode, sampler and encoders decide which keys there are.
    """
    space = [
        _choice("factorize.rank", [16, 32, 64]),
        _range("factorize.user_reg", 0.01, 50.0),
        _range("factorize.item_reg", 0.01, 50.0),
        _choice("factorize.reg_exponent", [0.0, 0.5, 1.0]),
    ]
    if settings.factorize.mode == "implicit":
        space.append(_range("factorize.unobserved_weight", 0.003, 3.0))
    elif settings.factorize.bias:
        space += [_range("factorize.user_bias_reg", 0.3, 30.0), _range("factorize.item_bias_reg", 0.3, 30.0)]
    if not settings.bayes.draws:  # the sampler's groups may need the encoders
        for side in ("user_encoder", "item_encoder"):
            kind = getattr(settings, side).kind
            if kind != "none":
                space.append(_choice(f"{side}.kind", ["none", kind]))
    return space


def _range(key: str, low: float, high: float) -> SearchKey:
    return SearchKey(key=key, kind="float", low=low, high=high, log=True)


def _choice(key: str, choices: Sequence[Any]) -> SearchKey:
    return SearchKey(key=key, kind="categorical", choices=list(choices))
