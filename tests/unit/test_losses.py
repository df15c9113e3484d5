"""Loss terms computed by hand, and shards whose gradients sum up to the whole."""

from __future__ import annotations

import pytest
import torch

from bgmrec.encoders.asdae import Encoded
from bgmrec.encoders.losses import autoencoder_terms, latent_terms, total_loss

PRIOR = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
TARGET = torch.zeros(3, 2)
WEIGHT = torch.tensor([1.0, 2.0, 0.0])


def test_latent_term_is_the_weighted_square_and_cold_rows_do_not_count():
    terms = latent_terms(PRIOR, TARGET, WEIGHT)
    assert terms.sums.tolist() == [1 * 1 + 2 * 4 + 0 * 2, 0, 0, 0]
    assert terms.sizes.tolist() == [3, 0, 0, 0]
    # a third of each weighted square: (1 + 8) / 3
    assert float(total_loss(terms.sums, terms.sizes, torch.tensor([1.0, 5.0, 5.0, 5.0]))) == pytest.approx(3.0)


def _encoded(**changes: torch.Tensor) -> Encoded:
    parts = {
        "prior": PRIOR,
        "features": torch.zeros(3, 4),
        "ratings": torch.tensor([0.0, -2.0]),
        "predicted": torch.tensor([3.0, 1.0]),
        "centred": torch.tensor([1.0, -1.0]),
        "hidden": torch.tensor([0.0, 1.0]),
    }
    return Encoded(**{**parts, **changes})


def test_reconstruction_terms_are_sums_per_row_and_prediction_counts_hidden_ratings_only():
    terms = autoencoder_terms(_encoded(), TARGET, WEIGHT, torch.ones(3, 4))
    # hidden is the second rating alone: (1 - -1)²
    assert terms.sums.tolist() == [9, 4, 1 + 1, 12] and terms.sizes.tolist() == [3, 3, 3, 3]
    assert float(total_loss(terms.sums, terms.sizes, torch.tensor([0.0, 0.5, 0.1, 0.2]))) == pytest.approx(
        (2 + 0.2 + 2.4) / 3
    )


def test_an_encoder_without_item_factors_or_ratings_lacks_their_terms():
    empty = torch.zeros(0)
    assert autoencoder_terms(_encoded(predicted=empty), TARGET, WEIGHT, torch.ones(3, 4)).sums.tolist() == [9, 0, 2, 12]
    bare = _encoded(ratings=empty, predicted=empty, centred=empty, hidden=empty, features=torch.zeros(3, 0))
    assert autoencoder_terms(bare, TARGET, WEIGHT, torch.zeros(3, 0)).sums.tolist() == [9, 0, 0, 0]


def test_gradients_of_uneven_shards_add_up_to_the_whole():
    weights = torch.tensor([1.0, 0.5, 0.5, 0.5])
    whole = PRIOR.clone().requires_grad_()
    terms = latent_terms(whole, TARGET, WEIGHT)
    total_loss(terms.sums, terms.sizes, weights).backward()
    shards = PRIOR.clone().requires_grad_()
    parts = [latent_terms(shards[rows], TARGET[rows], WEIGHT[rows]) for rows in (slice(0, 0), slice(0, 1), slice(1, 3))]
    sizes = torch.stack([part.sizes for part in parts]).sum(0)
    for part in parts:
        total_loss(part.sums, sizes, weights).backward()
    torch.testing.assert_close(shards.grad, whole.grad)
