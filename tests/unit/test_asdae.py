"""The user encoder against dense formulas (tests/conformance/encoders.py has what every encoder must do)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from bgmrec.encoders.asdae import Asdae
from bgmrec.encoders.rated import RatedItems, bag_of_ratings, scores_of_rated

N_ITEMS, FEATURES, WIDTH = 7, 4, 3
RATED = [[0, 2, 5], [], [2], [6, 1, 2, 3]]  # by user; the second has no ratings


def _inputs(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    idx = torch.tensor([item for items in RATED for item in items])
    offsets = torch.tensor([0, *np.cumsum([len(items) for items in RATED])])
    values = torch.randn(len(idx), generator=generator, dtype=dtype)
    return torch.randn(len(RATED), FEATURES, generator=generator, dtype=dtype), idx, offsets, values


def _network(**changes: object) -> Asdae:
    torch.manual_seed(5)
    numbers = {"n_items": N_ITEMS, "feature_width": FEATURES, "width": WIDTH, "hidden": [5], **changes}
    network = Asdae(**numbers)
    for parameter in network.parameters():  # biases too: at zero they would hide in every comparison
        torch.nn.init.normal_(parameter, std=0.5)
    return network.eval()


def _dense(idx: Tensor, offsets: Tensor, values: Tensor) -> Tensor:
    matrix = values.new_zeros(len(offsets) - 1, N_ITEMS)
    matrix[torch.repeat_interleave(torch.arange(len(offsets) - 1), offsets.diff()), idx] = values
    return matrix


def test_sparse_products_equal_dense_ones_and_so_do_their_gradients():
    _, idx, offsets, values = _inputs(torch.float64)
    rated = RatedItems(idx, offsets, N_ITEMS)
    table, hidden = (
        torch.randn(N_ITEMS, 5).double().requires_grad_(),
        torch.randn(len(RATED), 5).double().requires_grad_(),
    )
    bag = bag_of_ratings(table, values, rated)
    torch.testing.assert_close(bag, _dense(idx, offsets, values) @ table)
    scores = scores_of_rated(hidden, table, rated)
    torch.testing.assert_close(_dense(idx, offsets, scores), (hidden @ table.T) * _dense(idx, offsets, values * 0 + 1))
    assert torch.autograd.gradcheck(lambda t: bag_of_ratings(t, values, rated), table)
    assert torch.autograd.gradcheck(lambda h, t: scores_of_rated(h, t, rated), (hidden, table))


def test_scores_of_many_ratings_are_scored_in_chunks():
    n_users, n_ratings = 3, 5000
    offsets = torch.tensor([0, 1200, 1200, n_ratings])
    rated = RatedItems(torch.randint(N_ITEMS, (n_ratings,)), offsets, N_ITEMS)
    hidden, table = torch.randn(n_users, 4), torch.randn(N_ITEMS, 4)
    expected = (hidden @ table.T)[rated.user_pos, rated.item_idx]
    torch.testing.assert_close(scores_of_rated(hidden, table, rated), expected)


@pytest.mark.parametrize("with_factors", [False, True])
def test_network_equals_its_formula_on_dense_ratings(with_factors: bool):
    network = _network(use_presence=True, rating_norm=0.5, use_item_factors=with_factors)
    features, idx, offsets, values = _inputs()
    vectors, item_bias = torch.randn(N_ITEMS, WIDTH - 1), torch.randn(N_ITEMS) * with_factors
    if with_factors:
        network.item_factors.vectors.copy_(vectors)
        network.item_factors.offsets.copy_(item_bias)
    chosen = _dense(idx, offsets, torch.ones_like(values))
    dense = _dense(idx, offsets, values) - item_bias * chosen
    w = dict(network.named_parameters())
    sizes = torch.tensor([3.0, 1.0, 1.0, 4.0])[:, None]  # ratings per user; none counts as one
    bag = (dense @ w["rating_input.ratings"] + chosen @ w["rating_input.presence"]) / sizes.sqrt()
    h1 = torch.tanh(bag + features @ w["side.0.weight"].T + w["biases.0"])
    prior = h1 @ w["weights.0.weight"].T + features @ w["side.1.weight"].T + w["biases.1"]
    h3 = torch.tanh(prior @ w["weights.1.weight"].T + features @ w["side.2.weight"].T + w["biases.2"])
    ratings = h3 @ w["rating_output.table"].T + w["rating_output.bias"].T
    encoded = network(features, idx, offsets, values)
    torch.testing.assert_close(encoded.prior, prior)
    torch.testing.assert_close(_dense(idx, offsets, encoded.ratings), ratings * chosen)
    torch.testing.assert_close(encoded.features, h3 @ w["feature_output.weight"].T + w["feature_output.bias"])
    torch.testing.assert_close(_dense(idx, offsets, encoded.centred), dense)
    assert not encoded.hidden.any()  # nothing is hidden from an evaluation
    if with_factors:
        predicted = prior[:, :-1] @ vectors.T + prior[:, -1:]
        torch.testing.assert_close(_dense(idx, offsets, encoded.predicted), predicted * chosen)


def test_ratings_of_a_user_are_reconstructed_alone_as_in_a_batch():
    network = _network()
    features, idx, offsets, values = _inputs()
    together = network(features, idx, offsets, values)
    for user in range(len(RATED)):
        part = slice(int(offsets[user]), int(offsets[user + 1]))
        alone = network(features[user : user + 1], idx[part], torch.tensor([0, len(RATED[user])]), values[part])
        torch.testing.assert_close(alone.prior[0], together.prior[user])
        torch.testing.assert_close(alone.ratings, together.ratings[part])


def test_reconstruction_reaches_the_rows_of_rated_items_only():
    network = _network(corruption_rate=0.0)
    features, idx, offsets, values = _inputs()
    ratings = network(features, idx, offsets, values).ratings
    (ratings - values).square().sum().backward()
    touched = network.rating_output.table.grad.abs().sum(1) > 0
    assert touched.tolist() == [item in {i for items in RATED for i in items} for item in range(N_ITEMS)]


def test_latent_loss_alone_leaves_the_decoder_as_it_is():
    network = _network()
    network(*_inputs()).prior.square().sum().backward()
    assert network.rating_output.table.grad is None and network.feature_output.weight.grad is None
    assert network.side[2].weight.grad is None and network.weights[1].weight.grad is None
    assert network.side[0].weight.grad.abs().sum() > 0 and network.side[1].weight.grad.abs().sum() > 0


def test_feature_corruption_keeps_the_size_of_the_input_on_average():
    network = _network(corruption_rate=0.0, feature_corruption_rate=0.4, activation_name="linear")
    exact = network(*_inputs()).prior
    network.train()
    mean = torch.stack([network(*_inputs()).prior for _ in range(4000)]).mean(0)
    torch.testing.assert_close(mean, exact, rtol=0.1, atol=0.1)  # standard error about 0.02


def test_a_user_with_hidden_ratings_looks_like_one_who_never_gave_them():
    network = _network(corruption_rate=0.5, feature_corruption_rate=0.0, use_presence=True).train()
    features, idx, offsets, values = _inputs()
    encoded = network(features, idx, offsets, values)
    kept = encoded.hidden == 0
    assert kept.any() and not kept.all()
    users = torch.repeat_interleave(torch.arange(len(RATED)), offsets.diff())
    counts = torch.bincount(users[kept], minlength=len(RATED))
    fewer = network.eval()(features, idx[kept], torch.cat([counts.new_zeros(1), counts.cumsum(0)]), values[kept])
    torch.testing.assert_close(encoded.prior, fewer.prior)


def test_without_ratings_only_features_matter():
    network = _network(use_ratings=False)
    features, idx, offsets, values = _inputs()
    encoded = network(features, idx, offsets, values)
    torch.testing.assert_close(encoded.prior, network(features, idx, offsets, values + 1).prior)
    assert encoded.ratings.numel() == 0 and encoded.features.shape == features.shape
    assert not [name for name, _ in network.named_parameters() if name.startswith("rating")]


def test_without_features_only_ratings_matter():
    network = _network(feature_width=0)
    features, idx, offsets, values = _inputs()
    encoded = network(features[:, :0], idx, offsets, values)
    assert encoded.prior.shape == (len(RATED), WIDTH) and encoded.features.shape == (len(RATED), 0)
    assert len(encoded.ratings) == len(values)
    assert not torch.equal(encoded.prior, network(features[:, :0], idx, offsets, values + 1).prior)


@pytest.mark.parametrize("hidden", [[], [6, 4]])
@pytest.mark.parametrize("rows", [0, 4])
def test_any_depth_and_an_empty_batch(hidden: list[int], rows: int):
    network = _network(hidden=hidden, prior_activation="tanh", use_presence=True, use_item_factors=True)
    features, idx, offsets, values = _inputs()
    n_ratings = int(offsets[rows])
    outputs = network(features[:rows], idx[:n_ratings], offsets[: rows + 1], values[:n_ratings])
    assert [len(output) for output in outputs] == [rows, rows, *[n_ratings] * 4]
    sum(output.sum() for output in outputs).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())  # or processes would wait for it


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="needs ratings or features"):
        _network(use_ratings=False, feature_width=0)
    with pytest.raises(ValueError, match="must be at least 1"):
        _network(hidden=[0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        _network(corruption_rate=1.5)
    with pytest.raises(ValueError, match="beside the bias"):
        _network(width=1, use_item_factors=True)
    with pytest.raises(ValueError, match="activation"):
        _network(activation_name="swish")
    features, idx, offsets, values = _inputs()
    with pytest.raises(IndexError, match="7 items"):
        _network()(features, idx + 5, offsets, values)
