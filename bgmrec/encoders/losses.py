"""The encoders' losses as sums and their normalisers, so that uneven shards add up to the loss of one process."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TERMS = ("latent", "ratings", "features")


@dataclass(frozen=True)
class LossWeights:
    """How the terms of the loss are weighed against each other."""

    latent: float = 1.0
    ratings: float = 0.0  # the reconstructed ratings
    features: float = 0.0  # the reconstructed side information

    def tensor(self, device: torch.device) -> Tensor:
        return torch.tensor([self.latent, self.ratings, self.features], device=device)


@dataclass(frozen=True)
class TermSums:
    """Sums of each term over some rows, and what they are to be divided by: both add up over shards.

    sums: (3,) in the order of TERMS, differentiable; sizes: (3,).
    """

    sums: Tensor
    sizes: Tensor


def latent_terms(prior: Tensor, target: Tensor, weight: Tensor) -> TermSums:
    """Σ_i w_i ‖prior_i - target_i‖², by Σ_i w_i.

    Args:
        prior: (rows, width).
        target: (rows, width), the running factors.
        weight: (rows,).
    """
    latent = (weight * (prior - target).square().sum(1)).sum()
    none = torch.zeros_like(latent)
    return TermSums(torch.stack([latent, none, none]), torch.stack([weight.sum(), none.detach(), none.detach()]))


def autoencoder_terms(
    outputs: tuple[Tensor, Tensor, Tensor], target: Tensor, weight: Tensor, values: Tensor, features: Tensor
) -> TermSums:
    """The latent term, Σ_Ω (r - r̂)² by the number of ratings, and ‖X - X̂‖² by the number of values.

    PHD sums where this takes means over entries: the terms then keep their balance whatever the number of ratings
    per user and the width of the features.

    Args:
        outputs: prior (rows, width), r̂ (ratings,) or (0,) from an encoder without ratings, X̂ (rows, features).
        target: (rows, width).
        weight: (rows,).
        values: (ratings,), uncorrupted.
        features: (rows, features), uncorrupted.
    """
    prior, ratings, reconstructed = outputs
    latent = latent_terms(prior, target, weight)
    rating_error = (ratings - values[: len(ratings)]).square().sum()
    feature_error = (reconstructed - features).square().sum()
    sizes = torch.stack([latent.sizes[0], prior.new_tensor(ratings.numel()), prior.new_tensor(features.numel())])
    return TermSums(torch.stack([latent.sums[0], rating_error, feature_error]), sizes)


def total_loss(sums: Tensor, global_sizes: Tensor, weights: Tensor) -> Tensor:
    """Σ_t weight_t · sum_t / size_t, the sizes over all processes; a term without entries counts nothing."""
    return (weights * sums / torch.where(global_sizes > 0, global_sizes, 1.0)).sum()
