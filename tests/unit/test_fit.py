"""The fit in one process: what it minimises and what it refuses (see also tests/conformance/encoders.py)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bgmrec.encoders.batches import KINDS
from bgmrec.encoders.fit import EpochLoss, FitNumbers, fit
from bgmrec.encoders.losses import LossWeights
from bgmrec.encoders.state import initial_state, with_item_factors
from bgmrec.errors import TrainingError
from bgmrec.feed.rows import Ragged
from bgmrec.storage.arrays import FLOAT
from tests.conformance.encoders import ArrayFeed, fit_rows
from tests.unit.encoder_rows import FEATURES, N_ITEMS, N_ROWS, WIDTH, user_rows

QUIET = {"corruption_rate": 0.0, "feature_corruption_rate": 0.0}
ASDAE = {"n_items": N_ITEMS, "feature_width": FEATURES, "width": WIDTH, "hidden": [6], **QUIET}


def test_prior_means_learn_their_targets():
    start = initial_state("asdae", ASDAE, 1)
    rows = user_rows()
    state, losses = fit_rows(start, rows, epochs=60)
    assert losses[-1].latent < 0.1 * losses[0].latent
    assert [loss.epoch for loss in losses] == list(range(60)) and losses[0].rows == N_ROWS
    prior = KINDS["asdae"].prior(state.network(), rows).detach().numpy()
    error = np.square(prior - rows.dense["target"]).sum(1) @ rows.dense["weight"] / rows.dense["weight"].sum()
    assert error < losses[0].latent / 5


def test_a_full_batch_step_is_adam_on_the_whole_loss():
    start, rows = initial_state("asdae", ASDAE, 1), user_rows()
    weights = LossWeights(latent=1.0, ratings=0.8, features=0.2)
    got, (loss,) = fit_rows(start, rows, epochs=1, batch_size=1000, loss=weights)
    network = start.network()
    d, rated = rows.dense, rows.ragged["rated_idx"]
    values = torch.tensor(rows.ragged["rated_values"].values)
    inputs = (torch.tensor(d["features"]), torch.tensor(rated.values).long(), torch.tensor(rated.offsets), values)
    encoded = network(*inputs)
    weight = torch.tensor(d["weight"])
    latent = (weight[:, None] * (encoded.prior - torch.tensor(d["target"])) ** 2).sum() / weight.sum()
    per_row = 0.8 * ((encoded.ratings - values) ** 2).sum() + 0.2 * ((encoded.features - inputs[0]) ** 2).sum()
    expected = latent + per_row / N_ROWS
    assert loss.total == pytest.approx(expected.item(), rel=1e-5) and loss.latent == pytest.approx(
        latent.item(), rel=1e-5
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    expected.backward()
    optimizer.step()
    for name, tensor in network.state_dict().items():
        np.testing.assert_allclose(got.weights[name], tensor.numpy(), atol=2e-5, err_msg=name)


def test_more_steps_than_rows_leave_some_empty():
    rows = user_rows().take(np.arange(3))
    _, losses = fit_rows(initial_state("asdae", ASDAE, 1), rows, batch_size=1, epochs=2)
    assert losses[-1].rows == 3
    numbers = FitNumbers(epochs=2, batch_size=1)
    empty = ArrayFeed(rows.take(np.arange(0)))
    _, losses = fit(initial_state("asdae", ASDAE, 1), lambda r, w: empty, numbers, rows_written=0, seed=1)
    assert losses[-1].total == 0.0


def test_each_kind_of_weight_has_its_own_decay():
    rows = user_rows()
    rows.dense["weight"][:] = 0  # no gradient from the latent loss, and none from the others
    numbers = {"weight_decay": 1.0, "table_weight_decay": 2.0, "feature_weight_decay": 3.0, "learning_rate": 0.1}
    start = initial_state("asdae", ASDAE, 1)
    start.weights["biases.0"][:] = 1.0
    got, _ = fit_rows(start, rows, epochs=1, batch_size=1000, **numbers)
    kept = {"weights.0.weight": 0.9, "rating_input.ratings": 0.8, "side.0.weight": 0.7, "biases.0": 1.0}
    for name, share in kept.items():
        np.testing.assert_allclose(got.weights[name], share * start.weights[name], rtol=1e-5, err_msg=name)


def test_coupled_decay_is_an_l2_term_of_the_gradient():
    rows = user_rows()
    rows.dense["weight"][:] = 0
    start = initial_state("asdae", ASDAE, 1)
    got, _ = fit_rows(
        start, rows, epochs=1, batch_size=1000, weight_decay=1e-3, decoupled_decay=False, learning_rate=0.01
    )
    # the first step of Adam is the learning rate times the sign of the gradient, here of weight_decay · weight
    expected = start.weights["weights.0.weight"] - 0.01 * np.sign(start.weights["weights.0.weight"])
    np.testing.assert_allclose(got.weights["weights.0.weight"], expected, atol=1e-4)


def test_hidden_ratings_are_learnt_through_the_item_factors():
    rows = user_rows()
    rated = rows.ragged["rated_idx"]
    generator = np.random.default_rng(1)
    factors = generator.normal(size=(N_ITEMS, WIDTH)).astype(FLOAT)
    users = np.repeat(np.arange(N_ROWS), rated.lengths())
    truth = np.concatenate([rows.dense["target"][:, :-1], np.ones((N_ROWS, 1))], 1)[users]
    design = factors[rated.values]
    # r = u·v + b_j + a with a in the target's last coordinate
    rows.ragged["rated_values"] = Ragged(
        ((truth * design).sum(1) + rows.dense["target"][users, -1]).astype(FLOAT), rated.offsets
    )
    numbers = {**ASDAE, "corruption_rate": 0.5, "use_item_factors": True}
    start = with_item_factors(initial_state("asdae", numbers, 1), factors)
    state, losses = fit_rows(start, rows, epochs=80, loss=LossWeights(latent=0.0, predicted=1.0))
    assert losses[-1].predicted < 0.3 * losses[0].predicted
    np.testing.assert_array_equal(state.weights["item_factors.vectors"], factors[:, :-1])  # constants stay
    np.testing.assert_array_equal(state.weights["item_factors.offsets"], factors[:, -1])
    with pytest.raises(ValueError, match=r"\(9, 2\).*\(9, 3\)"):
        with_item_factors(start, factors[:, :2])


def test_lost_rows_and_a_loss_that_is_not_finite_end_thefit_rows():
    start, rows = initial_state("asdae", ASDAE, 1), user_rows()
    with pytest.raises(TrainingError, match=r"61 rows\n.*60 rows"):
        fit(start, lambda r, w: ArrayFeed(rows), FitNumbers(epochs=1), rows_written=61, seed=1)
    rows.dense["target"][3] = np.nan
    with pytest.raises(TrainingError, match="loss of an encoder is not finite"):
        fit_rows(start, rows)


def test_the_number_of_threads_is_restored_after_the_fit():
    before = torch.get_num_threads()
    threads: list[int] = []
    numbers = FitNumbers(epochs=1, threads=before + 1)
    state, rows = initial_state("asdae", ASDAE, 1), user_rows()

    def record(loss: EpochLoss) -> None:
        threads.append(torch.get_num_threads())

    fit(state, lambda r, w: ArrayFeed(rows), numbers, rows_written=N_ROWS, seed=1, on_epoch=record)
    assert threads == [before + 1] and torch.get_num_threads() == before
