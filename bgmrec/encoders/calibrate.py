"""How far an encoder's prior means are to be trusted, seen on entities that its fit has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_ROWS = 20  # fewer say nothing about a slope


@dataclass(frozen=True)
class Calibration:
    """prior = slope ∘ output + shift, of what the network gives.

    Args:
        slope: float32 (width,), in [0, 1].
        shift: float32 (width,).
    """

    slope: np.ndarray
    shift: np.ndarray

    def apply(self, outputs: np.ndarray) -> np.ndarray:
        """Prior means (rows, width) of the network's outputs (rows, width)."""
        return outputs * self.slope + self.shift


def calibrate(outputs: np.ndarray, targets: np.ndarray, *, rank: int) -> Calibration | None:
    """The line from a network's outputs to the factors of entities that it was not fitted to.

    slope = Σ (output - m_o)·(target - m_t) / Σ ‖output - m_o‖²,   shift = m_t - slope ∘ m_o

    over the factors together, and over the bias alone where there is one. A network that only remembers what it was
    fitted to says nothing about other entities: its slope is near 0, and every prior mean near the mean of all. Like
    the slope of stacked regressions (Breiman 1996) it is kept from 0 to 1.

    Args:
        outputs: (rows, width) of held-out entities.
        targets: (rows, width), their running factors.
        rank: columns that are factors; those behind them are biases.

    Returns:
        None where there are too few rows
    """
    if len(outputs) < MIN_ROWS:
        return None
    outputs, targets = outputs.astype(np.float64), targets.astype(np.float64)
    mean_output, mean_target = outputs.mean(0), targets.mean(0)
    products, squares = (outputs - mean_output) * (targets - mean_target), np.square(outputs - mean_output)
    slope = np.zeros(outputs.shape[1])
    for part in (slice(0, rank), slice(rank, None)):
        total = squares[:, part].sum()
        slope[part] = np.clip(products[:, part].sum() / total, 0.0, 1.0) if total > 0 else 0.0
    return Calibration(slope.astype(np.float32), (mean_target - slope * mean_output).astype(np.float32))
