"""What every encoder must do. A test class for a new kind inherits EncoderTests and fills in three fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bgmrec.encoders.batches import KINDS, TRAINING_COLUMNS
from bgmrec.encoders.calibrate import Calibration
from bgmrec.encoders.fit import EpochLoss, FitNumbers, fit
from bgmrec.encoders.losses import LossWeights, TermSums, total_loss
from bgmrec.encoders.state import EncoderState, initial_state
from bgmrec.errors import InputError
from bgmrec.feed.rows import Rows

NO_DECAY = {"weight_decay": 0.0, "table_weight_decay": 0.0, "feature_weight_decay": 0.0}


@dataclass
class ArrayFeed:
    """A shard in memory, in the order of its rows."""

    rows: Rows

    def batches(self, epoch: int, steps: int) -> Iterator[Rows]:
        return (self.rows.take(part) for part in np.array_split(np.arange(len(self.rows)), steps))


def fit_rows(state: EncoderState, rows: Rows, *, seed: int = 4, **numbers: Any) -> tuple[EncoderState, list[EpochLoss]]:
    """A short fit in this process."""
    defaults: dict[str, Any] = {"epochs": 5, "batch_size": 16, "learning_rate": 1e-2, **NO_DECAY}
    arguments = FitNumbers(**{**defaults, **numbers})
    return fit(state, lambda rank, world: ArrayFeed(rows), arguments, rows_written=len(rows), seed=seed)


def assert_same_weights(first: EncoderState, second: EncoderState) -> None:
    assert first.weights.keys() == second.weights.keys()
    for name, weights in first.weights.items():
        np.testing.assert_array_equal(weights, second.weights[name], err_msg=name)


class EncoderTests:
    """The conformance tests.

    Fixtures to fill in:
        kind: the encoder's key in `KINDS`.
        numbers: constructor arguments, with every corruption or dropout rate above 0.
        rows: at least 20 rows with targets and weights; the last one has nothing to encode: features of 0, no ratings
            or tokens.

    A class may also set `loss` (weights of its loss terms) and `quiet` (constructor arguments without noise).
    """

    loss = LossWeights()
    quiet: dict[str, Any] = {}  # noqa: RUF012 - pytest builds one instance per test

    @pytest.fixture
    def kind(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def numbers(self) -> dict[str, Any]:
        raise NotImplementedError

    @pytest.fixture
    def rows(self) -> Rows:
        raise NotImplementedError

    @pytest.fixture
    def state(self, kind: str, numbers: dict[str, Any]) -> EncoderState:
        return initial_state(kind, numbers, 1)

    @pytest.fixture
    def quiet_state(self, kind: str, numbers: dict[str, Any]) -> EncoderState:
        return initial_state(kind, {**numbers, **self.quiet}, 1)

    def prior(self, network: nn.Module, kind: str, rows: Rows) -> torch.Tensor:
        with torch.no_grad():
            return KINDS[kind].prior(network, rows)

    def test_the_prior_mean_is_one_finite_row_per_entity(self, state, kind, numbers, rows):
        prior = self.prior(state.network(), kind, rows)
        assert prior.shape == (len(rows), numbers["width"])
        assert prior.dtype == torch.float32 and prior.isfinite().all()

    def test_an_entity_with_nothing_to_encode_has_a_finite_prior_mean(self, state, kind, numbers, rows):
        last = rows.take(np.array([len(rows) - 1]))
        assert not last.dense["features"].any() and not any(part.values.size for part in last.ragged.values())
        prior = self.prior(state.network(), kind, last)
        assert prior.shape == (1, numbers["width"]) and prior.isfinite().all()

    def test_only_the_declared_columns_are_read(self, state, kind, rows):
        columns = KINDS[kind].columns
        read = Rows(
            {name: array for name, array in rows.dense.items() if name in columns},
            {name: array for name, array in rows.ragged.items() if name in columns},
        )
        assert not set(columns) & set(TRAINING_COLUMNS)
        expected = self.prior(state.network(), kind, rows)
        torch.testing.assert_close(self.prior(state.network(), kind, read), expected, rtol=0, atol=0)

    def test_an_entity_has_the_same_prior_mean_alone_as_in_a_batch(self, state, kind, rows):
        network = state.network()
        together = self.prior(network, kind, rows)
        order = np.random.default_rng(1).permutation(len(rows))
        shuffled = self.prior(network, kind, rows.take(order))
        torch.testing.assert_close(shuffled, together[torch.from_numpy(order)], rtol=1e-4, atol=1e-5)
        for row in (0, len(rows) // 2, len(rows) - 1):
            alone = self.prior(network, kind, rows.take(np.array([row])))
            torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-5)

    def test_a_network_is_in_eval_mode_where_nothing_is_dropped(self, state, kind, rows):
        network = state.network()
        assert not network.training
        first, second = (self.prior(network, kind, rows) for _ in range(2))
        torch.testing.assert_close(first, second, rtol=0, atol=0)
        network.train()
        first, second = (self.prior(network, kind, rows) for _ in range(2))
        assert not torch.equal(first, second)

    def test_the_seed_decides_the_weights(self, kind, numbers, state, rows):
        assert_same_weights(state, initial_state(kind, numbers, 1))
        other = initial_state(kind, numbers, 2)
        assert any(not np.array_equal(weights, other.weights[name]) for name, weights in state.weights.items())

    def test_the_seed_decides_the_fit_and_global_random_numbers_do_not(self, state, rows):
        torch.manual_seed(123)
        before = torch.get_rng_state()
        first, _ = fit_rows(state, rows, loss=self.loss)
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(7)
        second, _ = fit_rows(state, rows, loss=self.loss)
        assert_same_weights(first, second)
        other, _ = fit_rows(state, rows, loss=self.loss, seed=5)
        assert any(not np.array_equal(weights, other.weights[name]) for name, weights in first.weights.items())

    def test_the_loss_falls_in_a_short_fit(self, quiet_state, rows):
        _, losses = fit_rows(quiet_state, rows, epochs=40, loss=self.loss)
        assert losses[-1].total < 0.5 * losses[0].total
        assert losses[-1].latent < 0.3 * losses[0].latent
        assert all(loss.rows == len(rows) for loss in losses)

    def test_a_fit_starts_from_the_given_weights(self, quiet_state, rows):
        state, losses = fit_rows(quiet_state, rows, epochs=40, loss=self.loss)
        _, again = fit_rows(state, rows, epochs=1, loss=self.loss)
        assert again[0].latent < 0.3 * losses[0].latent
        same, empty = fit_rows(state, rows, epochs=0)
        assert not empty
        assert_same_weights(same, state)

    def test_losses_and_gradients_of_uneven_shards_sum_up(self, quiet_state, kind, rows):
        shards = [np.arange(0), np.arange(3), np.arange(3, len(rows))]
        whole_terms, whole = self._gradients(quiet_state, kind, rows, [np.arange(len(rows))])
        shard_terms, parts = self._gradients(quiet_state, kind, rows, shards)
        torch.testing.assert_close(shard_terms.sums, whole_terms.sums, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(shard_terms.sizes, whole_terms.sizes)
        for name, gradient in whole.items():
            torch.testing.assert_close(parts[name], gradient, rtol=1e-3, atol=1e-4, msg=name)

    def _gradients(
        self, state: EncoderState, kind: str, rows: Rows, shards: list[np.ndarray]
    ) -> tuple[TermSums, dict[str, torch.Tensor]]:
        network = state.network()
        terms = [KINDS[kind].terms(network, rows.take(shard)) for shard in shards]
        sizes = torch.stack([part.sizes for part in terms]).sum(0).detach()
        for part in terms:
            total_loss(part.sums, sizes, self.loss.tensor(sizes.device)).backward()
        sums = torch.stack([part.sums for part in terms]).sum(0).detach()
        gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        return TermSums(sums, sizes), gradients

    def test_an_empty_batch_reaches_every_weight(self, state, kind, rows):
        """Otherwise DistributedDataParallel would wait for the gradients of a process without rows."""
        network = state.network().train()
        terms = KINDS[kind].terms(network, rows.take(np.arange(0)))
        total_loss(terms.sums, terms.sizes, torch.ones(len(terms.sums))).backward()
        assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []

    def test_a_state_survives_its_bytes_with_its_calibration(self, state, kind, numbers, rows):
        assert EncoderState.from_bytes(state.to_bytes()).calibration is None
        width = numbers["width"]
        line = Calibration(np.linspace(0, 1, width, dtype=np.float32), np.ones(width, np.float32))
        content = replace(state, calibration=line).to_bytes()
        again = EncoderState.from_bytes(content)
        assert (again.kind, again.numbers) == (state.kind, state.numbers)
        assert_same_weights(again, state)
        np.testing.assert_array_equal(again.calibration.slope, line.slope)
        np.testing.assert_array_equal(again.calibration.shift, line.shift)
        expected = self.prior(state.network(), kind, rows)
        torch.testing.assert_close(self.prior(again.network(), kind, rows), expected, rtol=0, atol=0)
        assert b"pickle" not in content and content[8:9] == b"{"  # safetensors: a length, then a JSON header

    def test_bytes_of_something_else_and_weights_of_another_network_are_refused(self, state, numbers):
        for wrong in (b"", b"PK\x03\x04 something else", state.to_bytes()[:4]):
            with pytest.raises(InputError, match="cannot be read"):
                EncoderState.from_bytes(wrong)
        with pytest.raises(InputError, match="do not match"):
            replace(state, numbers={**numbers, "width": numbers["width"] + 1}).network()

    def test_modules_with_their_own_decay_exist(self, state, kind):
        modules = {name.split(".")[0] for name, _ in state.network().named_parameters()}
        assert set(KINDS[kind].tables) & modules and set(KINDS[kind].on_features) & modules
