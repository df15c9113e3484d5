"""Loss terms by hand, and sums over shards that equal the sum over all."""

from __future__ import annotations

import pytest
import torch

from bgmrec.encoders.losses import autoencoder_terms, latent_terms, total_loss

PRIOR = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
TARGET = torch.zeros(3, 2)
WEIGHT = torch.tensor([1.0, 2.0, 0.0])


def test_latent_term_is_the_weighted_square_and_cold_rows_weigh_nothing():
    terms = latent_terms(PRIOR, TARGET, WEIGHT)
    assert terms.sums.tolist() == [1 * 1 + 2 * 4 + 0 * 2, 0, 0]
    assert terms.sizes.tolist() == [3, 0, 0]
    # a third of each weighted square: (1 + 8) / 3
    assert float(total_loss(terms.sums, terms.sizes, torch.tensor([1.0, 5.0, 5.0]))) == pytest.approx(3.0)


def test_reconstruction_terms_are_means_over_entries():
    values, features = torch.tensor([1.0, -1.0]), torch.ones(3, 4)
    terms = autoencoder_terms((PRIOR, torch.tensor([0.0, -2.0]), torch.zeros(3, 4)), TARGET, WEIGHT, values, features)
    assert terms.sums.tolist() == [9, 1 + 1, 12] and terms.sizes.tolist() == [3, 2, 12]
    assert float(total_loss(terms.sums, terms.sizes, torch.tensor([0.0, 0.8, 0.2]))) == pytest.approx(0.8 + 0.2)


def test_an_encoder_without_ratings_has_no_rating_term():
    outputs = (PRIOR, torch.zeros(0), torch.zeros(3, 0))
    terms = autoencoder_terms(outputs, TARGET, WEIGHT, torch.tensor([1.0, -1.0]), torch.zeros(3, 0))
    assert terms.sums.tolist() == [9, 0, 0] and terms.sizes.tolist() == [3, 0, 0]
    assert float(total_loss(terms.sums, terms.sizes, torch.ones(3))) == pytest.approx(3.0)


def test_gradients_of_uneven_shards_add_up_to_the_whole():
    weights = torch.tensor([1.0, 0.5, 0.5])
    whole = PRIOR.clone().requires_grad_()
    terms = latent_terms(whole, TARGET, WEIGHT)
    total_loss(terms.sums, terms.sizes, weights).backward()
    shards = PRIOR.clone().requires_grad_()
    parts = [latent_terms(shards[rows], TARGET[rows], WEIGHT[rows]) for rows in (slice(0, 0), slice(0, 1), slice(1, 3))]
    sizes = torch.stack([part.sizes for part in parts]).sum(0)
    for part in parts:
        total_loss(part.sums, sizes, weights).backward()
    torch.testing.assert_close(shards.grad, whole.grad)
