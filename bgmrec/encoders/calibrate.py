"""Calibration: how far an encoder's outputs are trusted, measured on entities held out of its fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_ROWS = 20  # too few rows for a slope below this


@dataclass(frozen=True)
class Calibration:
    """prior mean = slope ∘ output + shift.

    Args:
        slope: the trust in each coordinate, float32 (width,), in [0, 1].
        shift: float32 (width,).
    """

    slope: np.ndarray
    shift: np.ndarray

    def apply(self, outputs: np.ndarray) -> np.ndarray:
        """Prior means, (rows, width).

        Args:
            outputs: of the network, (rows, width).
        """
        return outputs * self.slope + self.shift


def calibrate(outputs: np.ndarray, targets: np.ndarray, *, rank: int) -> Calibration | None:
    """The line from a network's outputs to the factors of entities held out of its fit.

    slope = Σ (output - m_o)·(target - m_t) / Σ ‖output - m_o‖²,   shift = m_t - slope ∘ m_o

    One slope for all latent coordinates, and one for the bias where there is one. For a network that only memorises
    the entities it was fitted to, the slope is near 0 and every prior mean is near the mean of all factors. The slope
    is clipped to [0, 1], as in stacked regressions.

    Args:
        outputs: of held-out entities, (rows, width).
        targets: their running factors, (rows, width).
        rank: number of latent coordinates; the bias follows them.

    Returns:
        None where there are fewer than `MIN_ROWS` rows.

    Source: Breiman, Stacked Regressions, Machine Learning 1996.
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
