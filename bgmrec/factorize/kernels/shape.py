"""The shape of a model: what one factor row holds and how two of them make a score."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelShape:
    """score = mean + u·v + a + b; a factor row is [u, a], the bias last and only where `bias`.

    Args:
        rank: latent dimension.
        bias: whether rows carry a bias coordinate.
        mean: what is subtracted from every rating (0 without centring).
    """

    rank: int
    bias: bool = False
    mean: float = 0.0

    @property
    def width(self) -> int:
        """Floats per factor row."""
        return self.rank + int(self.bias)
