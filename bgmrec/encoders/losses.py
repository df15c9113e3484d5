"""The encoders' losses as sums and their normalisers, so that uneven shards add up to the loss of one process."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bgmrec.encoders.asdae import Encoded

TERMS = ("latent", "predicted", "ratings", "features")


@dataclass(frozen=True)
class LossWeights:
    """How the terms of the loss are weighed against each other."""

    latent: float = 1.0
    predicted: float = 0.0  # hidden ratings by prior mean and item factors
    ratings: float = 0.0  # reconstructed ratings
    features: float = 0.0  # reconstructed side information

    def tensor(self, device: torch.device) -> Tensor:
        return torch.tensor([self.latent, self.predicted, self.ratings, self.features], device=device)


@dataclass(frozen=True)
class TermSums:
    """Sums of each term over some rows, and what they are to be divided by: both add up over shards.

    sums: (4,) in the order of TERMS, differentiable; sizes: (4,).
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
    none = latent.detach().new_zeros(len(TERMS) - 1)
    return TermSums(torch.cat([latent[None], none]), torch.cat([weight.sum()[None], none]))


def autoencoder_terms(encoded: Encoded, target: Tensor, weight: Tensor, features: Tensor) -> TermSums:
    """The latent term and three sums by the number of rows.

    predicted: Σ_hidden (r - u_prior·v)². The running factors that the latent term draws to were solved from the very
        ratings that enter the encoder, so that copying them costs nothing; ratings that corruption hid from the
        input show what the prior mean knows. Without item factors 0.
    ratings: Σ_Ω (r - r̂)²; features: Σ ‖X - X̂‖².

    Args:
        encoded: by the aSDAE.
        target: (rows, width).
        weight: (rows,).
        features: (rows, features), uncorrupted.
    """
    latent = latent_terms(encoded.prior, target, weight)
    errors = (encoded.predicted - encoded.centred) if encoded.predicted.numel() else encoded.centred * 0
    sums = [
        (encoded.hidden * errors.square()).sum(),
        (encoded.ratings - encoded.centred).square().sum(),
        (encoded.features - features).square().sum(),
    ]
    rows = features.new_full((len(sums),), float(len(features)))
    return TermSums(torch.cat([latent.sums[:1], torch.stack(sums)]), torch.cat([latent.sizes[:1], rows]))


def total_loss(sums: Tensor, global_sizes: Tensor, weights: Tensor) -> Tensor:
    """Σ_t weight_t · sum_t / size_t, the sizes over all processes; a term without rows counts nothing."""
    return (weights * sums / torch.where(global_sizes > 0, global_sizes, 1.0)).sum()
