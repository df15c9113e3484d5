"""How training processes come to one set of weights: by gradients in every step, or by their weights now and then.

Gradients in every step are the exact thing: the same fit whatever the number of processes. They are as large as the
weights, item tables included, and a step over 128 rows is computed faster than they travel. Averaging weights
now and then (local SGD: Stich, ICLR 2019; Lin et al., ICLR 2020) is another algorithm with another result.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parameters_to_vector, vector_to_parameters


class Exchange:
    """What the loop of a fit asks of it, and what that is for one process without a group: nothing.

    Args:
        network: what a step calls.
    """

    gradient_scale = 1  # what the loss of a step is multiplied with before its gradient is taken
    batches_at_once = 1  # batches of `FitNumbers.batch_size` rows that one step of all processes takes

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def sizes(self, own: Tensor) -> Tensor:
        """What the terms of a step's loss are divided by, from those of this process's rows."""
        return own

    def after_step(self, rows: int) -> None:
        """Told every step, with this process's rows."""

    def after_epoch(self) -> None:
        """From here on all processes have the same weights."""


class Gradients(Exchange):
    """Every step is one of all processes: its gradient is that of their rows together, however uneven they are."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(DistributedDataParallel(network, broadcast_buffers=False))
        self.gradient_scale = distributed.get_world_size()  # DistributedDataParallel divides the sum by it

    def sizes(self, own: Tensor) -> Tensor:
        return summed(own.clone())


class Weights(Exchange):
    """Every process steps by itself; every so many steps weights become their mean, by the rows that each has seen."""

    def __init__(self, network: nn.Module, every: int) -> None:
        super().__init__(network)
        self.batches_at_once = distributed.get_world_size()
        self._every = every
        self._steps = self._rows = 0

    def after_step(self, rows: int) -> None:
        self._steps += 1
        self._rows += rows
        if self._steps == self._every:
            self.after_epoch()

    def after_epoch(self) -> None:
        if not self._steps:  # on every process: all take the same number of steps
            return
        with torch.no_grad():
            own = parameters_to_vector(self.network.parameters())
            weighted = summed(torch.cat([own * self._rows, own.new_tensor([self._rows])]))
            if weighted[-1] > 0:
                vector_to_parameters(weighted[:-1] / weighted[-1], self.network.parameters())
        self._steps = self._rows = 0


def summed(tensor: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    if distributed.is_initialized():
        distributed.all_reduce(tensor)
    return tensor


def exchange_of(network: nn.Module, world: int, every: int) -> Exchange:
    """How a fit of `world` processes (0: without a group) exchanges what they learn, every `every` steps."""
    if not world:
        return Exchange(network)
    return Gradients(network) if every == 1 else Weights(network, every)
