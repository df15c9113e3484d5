"""Fits an encoder to the running factors: the one loop for the driver and for every process beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from bgmrec.encoders.batches import KINDS, Kind
from bgmrec.encoders.exchange import Exchange, exchange_of, summed
from bgmrec.encoders.losses import TERMS, LossWeights, total_loss
from bgmrec.encoders.state import EncoderState, state_of
from bgmrec.errors import TrainingError
from bgmrec.feed.rows import Rows


@dataclass(frozen=True)
class FitNumbers:
    """How to fit.

    Args:
        epochs: passes over the rows.
        batch_size: rows per step, over all processes together where they exchange in every step.
        learning_rate: of Adam.
        weight_decay: of the weights between layers and behind them; biases have none.
        table_weight_decay: of input weights with a row per item or word.
        feature_weight_decay: of weights that features are multiplied with.
        decoupled_decay: weights shrink by learning_rate · decay per step beside Adam (AdamW); otherwise decay · weight
            is part of the gradient, as an L2 term of the loss.
        loss: weights of the loss terms.
        threads: of Torch in this process.
        exchange_every: steps between two exchanges of processes: 1 exchanges gradients, more average weights.
    """

    epochs: int
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    table_weight_decay: float = 1e-2
    feature_weight_decay: float = 1e-2
    decoupled_decay: bool = True
    loss: LossWeights = field(default_factory=LossWeights)
    threads: int = 1
    exchange_every: int = 1


@dataclass(frozen=True)
class EpochLoss:
    """Means of one epoch over all processes: each loss term (see `losses`), and their weighted total."""

    epoch: int
    latent: float
    predicted: float
    ratings: float
    features: float
    total: float
    rows: int
    seconds: float


class Feed(Protocol):
    """One process's share of the rows."""

    def batches(self, epoch: int, steps: int) -> Iterator[Rows]:
        """The share in that epoch's order, in exactly `steps` batches; some may be empty."""
        ...


def fit(
    state: EncoderState,
    open_feed: Callable[[int, int], Feed],
    numbers: FitNumbers,
    *,
    rows_written: int,
    seed: int,
    rank: int = 0,
    world: int = 0,
    device: str = "cpu",
    on_epoch: Callable[[EpochLoss], None] | None = None,
) -> tuple[EncoderState, list[EpochLoss]]:
    """Minimises the loss by Adam from the state's weights.

    Every process takes the same number of steps, ⌈rows_written / batch_size⌉ per epoch, each with its share of its
    own rows, and the gradient of a step is that of the rows of all processes together: shards may be uneven. Where
    processes average weights instead (exchange.py), each takes whole batches of its own, and so many steps fewer.

    Args:
        state: where to start.
        open_feed: (rank, number of shards) → this process's rows.
        numbers: how to fit.
        rows_written: rows of the feed table; every epoch must see exactly as many.
        seed: of corruption and dropout.
        rank: of this process.
        world: processes of the running process group; 0 for this process alone, without a group.
        device: where Torch computes.
        on_epoch: told each epoch's loss.

    Returns:
        the fitted state and the loss of each epoch

    Raises:
        TrainingError: rows were lost or came twice on their way, or the loss is no longer finite.
    """
    kind = KINDS[state.kind]
    losses: list[EpochLoss] = []
    with _torch_settings(numbers.threads), torch.random.fork_rng(devices=[]):
        network = state.network().to(device)
        exchange = exchange_of(network, world, numbers.exchange_every)
        steps = max(1, math.ceil(rows_written / (numbers.batch_size * exchange.batches_at_once)))
        optimizer = _optimizer(network, kind, numbers)
        feed = open_feed(rank, max(world, 1))
        for epoch in range(numbers.epochs):
            # the noise differs between processes and epochs, and not with what ran before in this process
            torch.manual_seed((seed * 1_000_003 + epoch) * 4099 + rank)
            loss = _epoch(_Training(exchange, kind, optimizer, numbers), feed, epoch, steps)
            _check(loss, rows_written)
            losses.append(loss)
            if on_epoch is not None and rank == 0:
                on_epoch(loss)
    return state_of(state.kind, state.numbers, network), losses


@dataclass(frozen=True)
class _Training:
    exchange: Exchange
    kind: Kind
    optimizer: torch.optim.Optimizer
    numbers: FitNumbers

    def step(self, rows: Rows) -> Tensor:
        """One step; gives this process's sums and sizes of the terms, (2, terms)."""
        terms = self.kind.terms(self.exchange.network, rows)
        sizes = self.exchange.sizes(terms.sizes.detach())
        loss = total_loss(terms.sums, sizes, self.numbers.loss.tensor(sizes.device))
        self.optimizer.zero_grad()
        (loss * self.exchange.gradient_scale).backward()
        self.optimizer.step()
        self.exchange.after_step(len(rows))
        return torch.stack([terms.sums.detach(), terms.sizes.detach()]).double()


def _epoch(training: _Training, feed: Feed, epoch: int, steps: int) -> EpochLoss:
    begin = time.monotonic()
    network = training.exchange.network
    device = next(network.parameters()).device
    sums = torch.zeros(2, len(TERMS), dtype=torch.float64, device=device)
    rows = torch.zeros(1, dtype=torch.int64, device=device)
    network.train()
    for batch in feed.batches(epoch, steps):
        sums += training.step(batch)
        rows += len(batch)
    network.eval()
    training.exchange.after_epoch()
    totals, sizes = summed(sums)
    means = dict(zip(TERMS, (totals / sizes.clamp(min=1e-30)).tolist(), strict=True))
    total = total_loss(totals, sizes, training.numbers.loss.tensor(device).double())
    seen = int(summed(rows))
    return EpochLoss(epoch=epoch, **means, total=float(total), rows=seen, seconds=time.monotonic() - begin)


def _check(loss: EpochLoss, rows_written: int) -> None:
    """Every process sees the same sums, so that all of them raise or none."""
    if loss.rows != rows_written:
        raise TrainingError(
            "the feed did not give an encoder the rows that were written for it",
            where=f"epoch {loss.epoch}",
            expected=f"{rows_written} rows",
            found=f"{loss.rows} rows",
            hint="write the feed table again; if it happens again, the reader loses rows: report it",
        )
    if not math.isfinite(loss.total):
        raise TrainingError(
            "the loss of an encoder is no longer finite",
            where=f"epoch {loss.epoch}",
            found=", ".join(f"{name} {getattr(loss, name)}" for name in TERMS),
            hint="lower the fit's learning_rate, or look for outliers in features and factors",
        )


def _optimizer(network: nn.Module, kind: Kind, numbers: FitNumbers) -> torch.optim.Optimizer:
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        owner = name.split(".")[0]
        decay = numbers.weight_decay if parameter.ndim > 1 else 0.0
        decay = numbers.table_weight_decay if owner in kind.tables else decay
        decay = numbers.feature_weight_decay if owner in kind.on_features else decay
        groups.setdefault(decay, []).append(parameter)
    settings = [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items()]
    # fused: one pass over the item tables instead of six
    kind_of_adam = torch.optim.AdamW if numbers.decoupled_decay else torch.optim.Adam
    return kind_of_adam(settings, lr=numbers.learning_rate, fused=True)


@contextmanager
def _torch_settings(threads: int) -> Iterator[None]:
    """Torch's threads while inside; Spark's workers and BLAS want theirs back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
