"""Layers that both encoders use: activations by name, and the output layer of the prior mean."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": functional.gelu,
    "linear": lambda values: values,
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The activation function of that name.

    Args:
        name: a key of `ACTIVATIONS`.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def require(condition: bool, message: str) -> None:
    """Checks a constructor's argument.

    Args:
        condition: what must hold.
        message: of the error.

    Raises:
        ValueError: the condition does not hold.
    """
    if not condition:
        raise ValueError(message)


class PriorOutput(nn.Module):
    """The prior mean: the last layer's sum (linear), or scale ⊙ tanh(sum) with a learned scale per coordinate.

    Factors are not confined to (-1, 1), so that tanh alone could not reach them.

    Args:
        width: floats of the prior mean.
        kind: linear or tanh.

    Raises:
        ValueError: the kind is unknown.
    """

    def __init__(self, *, width: int, kind: str):
        super().__init__()
        require(kind in ("linear", "tanh"), f"unknown prior_activation {kind!r}; expected linear or tanh")
        self.scale = nn.Parameter(torch.ones(width)) if kind == "tanh" else None

    def forward(self, total: Tensor) -> Tensor:
        """(rows, width) -> (rows, width)"""
        return total if self.scale is None else self.scale * torch.tanh(total)
