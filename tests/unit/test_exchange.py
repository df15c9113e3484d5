"""Averaged weights: when they are exchanged, and what of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bgmrec.encoders import exchange


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """A group of two: what the list holds is what the other process sends, in turn."""
    others: list[torch.Tensor] = []
    monkeypatch.setattr(exchange.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(exchange, "summed", lambda own: own + others.pop(0))
    return others


def network(value: float) -> nn.Linear:
    made = nn.Linear(1, 1)
    with torch.no_grad():
        made.weight.fill_(value)
        made.bias.fill_(-value)
    return made


def test_weights_become_their_mean_by_rows_seen(two: list[torch.Tensor]) -> None:
    weights = exchange.Weights(network(2.0), every=2)
    two.append(torch.tensor([6.0 * 10, -6.0 * 10, 10]))  # the other one has seen 10 rows, this one 20 + 10
    weights.after_step(20)
    assert weights.network.weight.item() == 2.0
    weights.after_step(10)
    assert weights.network.weight.item() == pytest.approx((2.0 * 30 + 6.0 * 10) / 40)
    assert weights.network.bias.item() == pytest.approx(-3.0)


def test_an_epoch_ends_with_an_exchange_unless_one_was_just_made(two: list[torch.Tensor]) -> None:
    weights = exchange.Weights(network(2.0), every=2)
    two += [torch.tensor([4.0, -4.0, 1.0]), torch.tensor([9.0, -9.0, 1.0])]
    weights.after_step(1)
    weights.after_epoch()
    assert weights.network.weight.item() == pytest.approx(3.0)
    weights.after_epoch()
    assert len(two) == 1
    weights.after_step(1)
    weights.after_step(1)  # counted anew after the epoch: this is the second
    assert weights.network.weight.item() == pytest.approx((3.0 * 2 + 9.0) / 3)


def test_a_process_without_rows_takes_what_the_other_learnt(two: list[torch.Tensor]) -> None:
    weights = exchange.Weights(network(2.0), every=1)
    two += [torch.tensor([7.0 * 5, -7.0 * 5, 5.0]), torch.zeros(3)]
    weights.after_step(0)
    assert weights.network.weight.item() == pytest.approx(7.0)
    weights.after_step(0)  # nobody has seen any
    assert weights.network.weight.item() == pytest.approx(7.0)


def test_a_step_of_all_takes_a_batch_of_each(two: list[torch.Tensor]) -> None:
    assert exchange.Weights(network(1.0), every=3).batches_at_once == 2
    assert exchange.exchange_of(network(1.0), 0, 3).batches_at_once == 1
