"""The encoders' losses as sums and divisors, so that uneven shards add up to the loss of one process."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bgmrec.encoders.asdae import Encoded

TERMS = ("latent", "predicted", "ratings", "features")


@dataclass(frozen=True)
class LossWeights:
    """The weight of each loss term.

    Args:
        latent: prior means against running factors.
        predicted: hidden ratings, predicted by prior mean and item factors.
        ratings: reconstructed ratings.
        features: reconstructed side information.
    """

    latent: float = 1.0
    predicted: float = 0.0
    ratings: float = 0.0
    features: float = 0.0

    def tensor(self, device: torch.device) -> Tensor:
        """The weights in the order of `TERMS`, (4,)."""
        return torch.tensor([self.latent, self.predicted, self.ratings, self.features], device=device)


@dataclass(frozen=True)
class TermSums:
    """The sums of each term over some rows, and their divisors; both add up over shards.

    sums: (4,) in the order of `TERMS`, differentiable.
    sizes: (4,).
    """

    sums: Tensor
    sizes: Tensor


def latent_terms(prior: Tensor, target: Tensor, weight: Tensor) -> TermSums:
    """Σ_i w_i ‖prior_i - target_i‖² with the divisor Σ_i w_i.

    Args:
        prior: (rows, width).
        target: (rows, width), the running factors.
        weight: (rows,).
    """
    latent = (weight * (prior - target).square().sum(1)).sum()
    zeros = latent.detach().new_zeros(len(TERMS) - 1)
    return TermSums(torch.cat([latent[None], zeros]), torch.cat([weight.sum()[None], zeros]))


def autoencoder_terms(encoded: Encoded, target: Tensor, weight: Tensor, features: Tensor) -> TermSums:
    """The latent term, and three sums whose divisor is the number of rows.

    predicted: Σ_hidden (r - u_prior·v)². The running factors of the latent term were solved from the ratings that
        enter the encoder, so that the latent term alone rewards copying them. Ratings that corruption hid from the
        input measure what the prior mean predicts. 0 without item factors.
    ratings: Σ_Ω (r - r̂)².
    features: Σ ‖X - X̂‖².

    Args:
        encoded: outputs of the aSDAE.
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
    """Σ_t weight_t · sum_t / size_t; a term with size 0 counts 0.

    Args:
        sums: of this process's rows, (4,).
        global_sizes: divisors over all processes, (4,).
        weights: (4,).
    """
    return (weights * sums / torch.where(global_sizes > 0, global_sizes, 1.0)).sum()
