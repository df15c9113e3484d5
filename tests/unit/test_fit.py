"""The fit in one process: what it minimises, where it starts, what it refuses, and the state it gives back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from bgmrec.encoders.batches import KINDS
from bgmrec.encoders.fit import EpochLoss, FitNumbers, fit
from bgmrec.encoders.losses import LossWeights
from bgmrec.encoders.state import EncoderState, initial_state, with_item_factors
from bgmrec.errors import InputError, TrainingError
from bgmrec.feed.rows import Ragged, Rows
from bgmrec.storage.arrays import FLOAT, INT

N_USERS, N_ITEMS, FEATURES, WIDTH = 60, 9, 4, 3
QUIET = {"corruption_rate": 0.0, "feature_corruption_rate": 0.0}
ASDAE = {"n_items": N_ITEMS, "feature_width": FEATURES, "width": WIDTH, "hidden": [6], **QUIET}
NO_DECAY = {"weight_decay": 0.0, "table_weight_decay": 0.0, "feature_weight_decay": 0.0}


@dataclass
class ArrayFeed:
    """A shard in memory, in the order that it has."""

    rows: Rows

    def batches(self, epoch: int, steps: int) -> Iterator[Rows]:
        return (self.rows.take(part) for part in np.array_split(np.arange(len(self.rows)), steps))


def _users(seed: int = 0) -> Rows:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(N_USERS, FEATURES)).astype(FLOAT)
    lengths = generator.integers(0, 6, N_USERS)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    idx = np.concatenate([generator.choice(N_ITEMS, n, replace=False) for n in lengths]).astype(INT)
    dense = {
        "idx": np.arange(N_USERS, dtype=INT),
        "features": features,
        "target": np.tanh(features @ generator.normal(size=(FEATURES, WIDTH))).astype(FLOAT),
        "weight": (lengths > 0).astype(FLOAT),
    }
    values = generator.normal(size=len(idx)).astype(FLOAT)
    return Rows(dense, {"rated_idx": Ragged(idx, offsets), "rated_values": Ragged(values, offsets)})


def _fit(state: EncoderState, rows: Rows, **changes: object) -> tuple[EncoderState, list[EpochLoss]]:
    numbers = FitNumbers(**{"epochs": 5, "batch_size": 16, "learning_rate": 1e-2, **NO_DECAY, **changes})
    return fit(state, lambda rank, world: ArrayFeed(rows), numbers, rows_written=len(rows), seed=4)


def test_the_prior_learns_its_targets():
    start = initial_state("asdae", ASDAE, 1)
    rows = _users()
    state, losses = _fit(start, rows, epochs=60)
    assert losses[-1].latent < 0.1 * losses[0].latent
    assert [loss.epoch for loss in losses] == list(range(60)) and losses[0].rows == N_USERS
    prior = KINDS["asdae"].prior(state.network(), rows).detach().numpy()
    error = np.square(prior - rows.dense["target"]).sum(1) @ rows.dense["weight"] / rows.dense["weight"].sum()
    assert error < losses[0].latent / 5


def test_a_full_batch_step_is_adam_on_the_whole_loss():
    start, rows = initial_state("asdae", ASDAE, 1), _users()
    weights = LossWeights(latent=1.0, ratings=0.8, features=0.2)
    got, (loss,) = _fit(start, rows, epochs=1, batch_size=1000, loss=weights)
    network = start.network()
    d, rated = rows.dense, rows.ragged["rated_idx"]
    values = torch.tensor(rows.ragged["rated_values"].values)
    inputs = (torch.tensor(d["features"]), torch.tensor(rated.values).long(), torch.tensor(rated.offsets), values)
    encoded = network(*inputs)
    weight = torch.tensor(d["weight"])
    latent = (weight[:, None] * (encoded.prior - torch.tensor(d["target"])) ** 2).sum() / weight.sum()
    per_row = 0.8 * ((encoded.ratings - values) ** 2).sum() + 0.2 * ((encoded.features - inputs[0]) ** 2).sum()
    expected = latent + per_row / N_USERS
    assert loss.total == pytest.approx(expected.item(), rel=1e-5) and loss.latent == pytest.approx(
        latent.item(), rel=1e-5
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    expected.backward()
    optimizer.step()
    for name, tensor in network.state_dict().items():
        np.testing.assert_allclose(got.weights[name], tensor.numpy(), atol=2e-5, err_msg=name)


def test_the_same_seed_gives_the_same_weights_and_the_noise_has_a_seed():
    start, rows = initial_state("asdae", {**ASDAE, "corruption_rate": 0.5}, 1), _users()
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first, _ = _fit(start, rows)
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's random numbers were taken
    torch.manual_seed(7)
    second, _ = _fit(start, rows)
    assert all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)
    numbers = FitNumbers(epochs=5, batch_size=16, learning_rate=1e-2, **NO_DECAY)
    other, _ = fit(start, lambda rank, world: ArrayFeed(rows), numbers, rows_written=N_USERS, seed=5)
    assert not np.array_equal(first.weights["biases.0"], other.weights["biases.0"])


def test_a_refit_goes_on_from_the_weights_it_is_given():
    rows = _users()
    state, losses = _fit(initial_state("asdae", ASDAE, 1), rows, epochs=40)
    _, again = _fit(state, rows, epochs=1)
    assert again[0].latent < 0.3 * losses[0].latent  # Adam's own state starts anew, the weights do not
    same, none = _fit(state, rows, epochs=0)
    assert not none and all(np.array_equal(same.weights[name], state.weights[name]) for name in state.weights)


def test_more_steps_than_rows_leave_some_empty():
    rows = _users().take(np.arange(3))
    _, losses = _fit(initial_state("asdae", ASDAE, 1), rows, batch_size=1, epochs=2)
    assert losses[-1].rows == 3
    numbers = FitNumbers(epochs=2, batch_size=1)
    empty = ArrayFeed(rows.take(np.arange(0)))
    _, losses = fit(initial_state("asdae", ASDAE, 1), lambda r, w: empty, numbers, rows_written=0, seed=1)
    assert losses[-1].total == 0.0


def test_decay_shrinks_each_kind_of_weight_by_its_own_setting():
    rows = _users()
    rows.dense["weight"][:] = 0  # no gradient from the latent loss, and none from the others
    numbers = {"weight_decay": 1.0, "table_weight_decay": 2.0, "feature_weight_decay": 3.0, "learning_rate": 0.1}
    start = initial_state("asdae", ASDAE, 1)
    start.weights["biases.0"][:] = 1.0
    got, _ = _fit(start, rows, epochs=1, batch_size=1000, **numbers)
    kept = {"weights.0.weight": 0.9, "rating_input.ratings": 0.8, "side.0.weight": 0.7, "biases.0": 1.0}
    for name, share in kept.items():
        np.testing.assert_allclose(got.weights[name], share * start.weights[name], rtol=1e-5, err_msg=name)


def test_coupled_decay_is_an_l2_term_of_the_gradient():
    rows = _users()
    rows.dense["weight"][:] = 0
    start = initial_state("asdae", ASDAE, 1)
    got, _ = _fit(start, rows, epochs=1, batch_size=1000, weight_decay=1e-3, decoupled_decay=False, learning_rate=0.01)
    # the first step of Adam is the learning rate times the sign of the gradient, here of weight_decay · weight
    expected = start.weights["weights.0.weight"] - 0.01 * np.sign(start.weights["weights.0.weight"])
    np.testing.assert_allclose(got.weights["weights.0.weight"], expected, atol=1e-4)


def test_hidden_ratings_are_learnt_through_the_item_factors():
    rows = _users()
    rated = rows.ragged["rated_idx"]
    generator = np.random.default_rng(1)
    factors = generator.normal(size=(N_ITEMS, WIDTH)).astype(FLOAT)
    users = np.repeat(np.arange(N_USERS), rated.lengths())
    truth = np.concatenate([rows.dense["target"][:, :-1], np.ones((N_USERS, 1))], 1)[users]
    design = factors[rated.values]
    # r = u·v + b_j + a with a in the target's last coordinate
    rows.ragged["rated_values"] = Ragged(
        ((truth * design).sum(1) + rows.dense["target"][users, -1]).astype(FLOAT), rated.offsets
    )
    numbers = {**ASDAE, "corruption_rate": 0.5, "use_item_factors": True}
    start = with_item_factors(initial_state("asdae", numbers, 1), factors)
    state, losses = _fit(start, rows, epochs=80, loss=LossWeights(latent=0.0, predicted=1.0))
    assert losses[-1].predicted < 0.3 * losses[0].predicted
    np.testing.assert_array_equal(state.weights["item_factors.vectors"], factors[:, :-1])  # constants stay
    np.testing.assert_array_equal(state.weights["item_factors.offsets"], factors[:, -1])
    with pytest.raises(ValueError, match=r"\(9, 2\).*\(9, 3\)"):
        with_item_factors(start, factors[:, :2])


def test_lost_rows_and_a_loss_that_is_not_finite_end_the_fit():
    start, rows = initial_state("asdae", ASDAE, 1), _users()
    with pytest.raises(TrainingError, match=r"61 rows\n.*60 rows"):
        fit(start, lambda r, w: ArrayFeed(rows), FitNumbers(epochs=1), rows_written=61, seed=1)
    rows.dense["target"][3] = np.nan
    with pytest.raises(TrainingError, match="no longer finite"):
        _fit(start, rows)


def test_threads_are_the_fits_own():
    before = torch.get_num_threads()
    seen: list[int] = []
    numbers = FitNumbers(epochs=1, threads=before + 1)
    state, rows = initial_state("asdae", ASDAE, 1), _users()

    def tell(loss: EpochLoss) -> None:
        seen.append(torch.get_num_threads())

    fit(state, lambda r, w: ArrayFeed(rows), numbers, rows_written=N_USERS, seed=1, on_epoch=tell)
    assert seen == [before + 1] and torch.get_num_threads() == before


def test_text_cnn_learns_through_the_same_fit():
    generator = np.random.default_rng(0)
    lengths = generator.integers(0, 12, N_USERS)
    tokens = generator.integers(1, 20, lengths.sum()).astype(INT)
    dense = {
        "idx": np.arange(N_USERS, dtype=INT),
        "features": generator.normal(size=(N_USERS, 2)).astype(FLOAT),
        "target": generator.normal(size=(N_USERS, WIDTH)).astype(FLOAT),
        "weight": np.ones(N_USERS, FLOAT),
    }
    rows = Rows(dense, {"tokens": Ragged(tokens, np.concatenate([[0], np.cumsum(lengths)]))})
    numbers = {"vocabulary_size": 19, "feature_width": 2, "width": WIDTH, "embedding_size": 8, "filters": 8}
    _, losses = _fit(initial_state("text_cnn", {**numbers, "dropout_rate": 0.0}, 2), rows, epochs=40)
    assert losses[-1].latent < 0.3 * losses[0].latent and losses[-1].ratings == 0


def test_a_state_survives_its_bytes_and_is_no_pickle():
    state = initial_state("asdae", {**ASDAE, "use_presence": True}, 1)
    content = state.to_bytes()
    again = EncoderState.from_bytes(content)
    assert (again.kind, again.numbers) == (state.kind, state.numbers)
    assert all(np.array_equal(again.weights[name], state.weights[name]) for name in state.weights)
    assert b"pickle" not in content and content[8:9] == b"{"  # safetensors: a length, then a JSON header
    for wrong in (b"", b"PK\x03\x04 something else", content[:4]):
        with pytest.raises(InputError, match="no encoder"):
            EncoderState.from_bytes(wrong)
    with pytest.raises(InputError, match="do not fit"):
        replace(state, numbers={**state.numbers, "hidden": [7]}).network()
