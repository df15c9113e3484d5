"""The shape of a model: what a factor row holds, and how a user row and an item row make a score."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelShape:
    """score = mean + u·v + a + b. A user's factor row is [u, a], an item's [v, b]; without `bias`, [u] and [v].

    Args:
        rank: latent dimension.
        bias: whether factor rows end in a bias.
        mean: subtracted from every rating; 0 without centring.
    """

    rank: int
    bias: bool = False
    mean: float = 0.0

    @property
    def width(self) -> int:
        """Floats in a factor row."""
        return self.rank + int(self.bias)
