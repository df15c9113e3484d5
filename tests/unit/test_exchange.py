"""Averaged weights: when they are exchanged, and which mean they become."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bgmrec.encoders import exchange


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """A group of two processes: the list holds what the other process sends, in order."""
    others: list[torch.Tensor] = []
    monkeypatch.setattr(exchange.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(exchange, "summed", lambda tensor: tensor + others.pop(0))
    return others


def network(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(value)
        layer.bias.fill_(-value)
    return layer


def test_weights_become_their_mean_weighted_by_rows(two: list[torch.Tensor]) -> None:
    weights = exchange.Weights(network(2.0), every=2)
    two.append(torch.tensor([6.0 * 10, -6.0 * 10, 10]))  # the other process had 10 rows, this one 20 + 10
    weights.after_step(20)
    assert weights.network.weight.item() == 2.0
    weights.after_step(10)
    assert weights.network.weight.item() == pytest.approx((2.0 * 30 + 6.0 * 10) / 40)
    assert weights.network.bias.item() == pytest.approx(-3.0)


def test_an_epoch_ends_with_an_exchange_unless_no_step_followed_the_last_one(two: list[torch.Tensor]) -> None:
    weights = exchange.Weights(network(2.0), every=2)
    two += [torch.tensor([4.0, -4.0, 1.0]), torch.tensor([9.0, -9.0, 1.0])]
    weights.after_step(1)
    weights.after_epoch()
    assert weights.network.weight.item() == pytest.approx(3.0)
    weights.after_epoch()
    assert len(two) == 1
    weights.after_step(1)
    weights.after_step(1)  # the count starts again after an epoch: this is the second step
    assert weights.network.weight.item() == pytest.approx((3.0 * 2 + 9.0) / 3)


def test_a_process_without_rows_takes_the_weights_of_the_other(two: list[torch.Tensor]) -> None:
    weights = exchange.Weights(network(2.0), every=1)
    two += [torch.tensor([7.0 * 5, -7.0 * 5, 5.0]), torch.zeros(3)]
    weights.after_step(0)
    assert weights.network.weight.item() == pytest.approx(7.0)
    weights.after_step(0)  # no process had rows
    assert weights.network.weight.item() == pytest.approx(7.0)


def test_a_step_of_all_processes_takes_a_batch_of_each(two: list[torch.Tensor]) -> None:
    assert exchange.Weights(network(1.0), every=3).batches_at_once == 2
    assert exchange.exchange_of(network(1.0), 0, 3).batches_at_once == 1
