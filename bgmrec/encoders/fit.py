"""The fit of an encoder to the running factors: one loop for the driver and for every training process."""

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
    """The hyper-parameters of a fit.

    Args:
        epochs: passes over the rows.
        batch_size: rows per step: of all processes together where they exchange gradients, else of each process.
        learning_rate: learning rate of Adam.
        weight_decay: decay of weights between layers; biases have none.
        table_weight_decay: decay of input weights with one row per item or word.
        feature_weight_decay: decay of weights that features are multiplied with.
        decoupled_decay: True: weights shrink by learning_rate · decay per step (AdamW); False: decay · weight is added
            to the gradient, an L2 term of the loss.
        loss: weights of the loss terms.
        threads: Torch threads of this process.
        exchange_every: steps between two exchanges of processes; 1: gradients, more: averaged weights.
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
    """The loss of one epoch over all processes: the mean of each term (losses.py), and their weighted total.

    Args:
        epoch: number of the epoch, from 0.
        latent: prior means against running factors.
        predicted: hidden ratings.
        ratings: reconstructed ratings.
        features: reconstructed side information.
        total: weighted sum of the terms.
        rows: rows read.
        seconds: duration.
    """

    epoch: int
    latent: float
    predicted: float
    ratings: float
    features: float
    total: float
    rows: int
    seconds: float


class Feed(Protocol):
    """The rows of one process."""

    def batches(self, epoch: int, steps: int) -> Iterator[Rows]:
        """The rows in this epoch's order, in exactly `steps` batches, of which some may be empty.

        Args:
            epoch: number of the epoch.
            steps: number of batches.
        """
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
    """Minimises the loss by Adam, starting from the state's weights.

    Every process takes the same number of steps, ⌈rows_written / batch_size⌉ per epoch, and the gradient of a step is
    that of all processes' rows: shards may be uneven. Where processes average weights (exchange.py), each one takes
    whole batches of its own rows, and correspondingly fewer steps.

    Args:
        state: the state to start from.
        open_feed: (rank, number of shards) → the rows of this process.
        numbers: hyper-parameters.
        rows_written: rows of the feed table; every epoch must read exactly this number.
        seed: seed of corruption and dropout.
        rank: number of this process.
        world: processes of the running process group; 0: one process without a group.
        device: Torch device.
        on_epoch: called with each epoch's loss.

    Returns:
        (the fitted state, without a calibration; the loss of each epoch)

    Raises:
        TrainingError: the feed lost or repeated rows, or the loss is not finite.
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
            # the noise depends on process and epoch, and not on what ran in this process before
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
        """Takes one step; returns this process's sums and divisors of the terms, (2, terms)."""
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
    rows_read = int(summed(rows))
    return EpochLoss(epoch=epoch, **means, total=float(total), rows=rows_read, seconds=time.monotonic() - begin)


def _check(loss: EpochLoss, rows_written: int) -> None:
    """Raises on all processes or on none: all have the same sums."""
    if loss.rows != rows_written:
        raise TrainingError(
            "an encoder did not read all rows of its feed table",
            where=f"epoch {loss.epoch}",
            expected=f"{rows_written} rows",
            found=f"{loss.rows} rows",
            hint="run the training again; if it happens again, petastorm loses rows: please report it",
        )
    if not math.isfinite(loss.total):
        raise TrainingError(
            "the loss of an encoder is not finite",
            where=f"epoch {loss.epoch}",
            expected="finite loss terms",
            found=", ".join(f"{name} {getattr(loss, name)}" for name in TERMS),
            hint="lower learning_rate in the encoder's fit section, or look for very large values in its features",
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
    # fused Adam reads the item tables once per step instead of six times
    kind_of_adam = torch.optim.AdamW if numbers.decoupled_decay else torch.optim.Adam
    return kind_of_adam(settings, lr=numbers.learning_rate, fused=True)


@contextmanager
def _torch_settings(threads: int) -> Iterator[None]:
    """Sets the number of Torch threads, and restores it afterwards for Spark's workers and BLAS."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
