"""What both encoders are made of: activations by name, and the layer that gives the prior mean."""

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
    """The function of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r} is none of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def require(condition: bool, message: str) -> None:
    """Raises ValueError with the message where the condition does not hold."""
    if not condition:
        raise ValueError(message)


class PriorOutput(nn.Module):
    """The prior mean from the last sum: as it is (linear), or scale ⊙ tanh(sum) with a learned scale per coordinate.

    Factors are not bound to (-1, 1), so that a bare tanh could not reach them.
    """

    def __init__(self, *, width: int, kind: str):
        super().__init__()
        require(kind in ("linear", "tanh"), f"prior_activation is linear or tanh, not {kind!r}")
        self.scale = nn.Parameter(torch.ones(width)) if kind == "tanh" else None

    def forward(self, total: Tensor) -> Tensor:
        return total if self.scale is None else self.scale * torch.tanh(total)
