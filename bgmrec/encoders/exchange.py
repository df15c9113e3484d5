"""How training processes agree on one set of weights: by exchanging gradients, or by averaging weights.

Exchanging gradients in every step is exact: the fit is the same for any number of processes. But gradients are as large
as the weights, item tables included, and take longer to travel than a step over 128 rows takes to compute. Averaging
weights every few steps (local SGD) is a different algorithm with a different result.

Source: Stich, Local SGD Converges Fast and Communicates Little, ICLR 2019; Lin et al., Don't Use Large Mini-Batches,
Use Local SGD, ICLR 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parameters_to_vector, vector_to_parameters


class Exchange:
    """The operations that the loop of a fit calls; this class is for one process, which exchanges nothing.

    Args:
        network: the network that is fitted.
    """

    gradient_scale = 1  # factor of a step's loss
    batches_at_once = 1  # batches of `FitNumbers.batch_size` rows in one step of all processes

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def sizes(self, local_sizes: Tensor) -> Tensor:
        """The divisors of a step's loss terms.

        Args:
            local_sizes: divisors over this process's rows.
        """
        return local_sizes

    def after_step(self, rows: int) -> None:
        """Called after every step.

        Args:
            rows: this process's rows in the step.
        """

    def after_epoch(self) -> None:
        """Called after every epoch; afterwards all processes have the same weights."""


class Gradients(Exchange):
    """Exchanges gradients in every step: a step's gradient is that of all processes' rows, even if shards differ.

    Args:
        network: the network that is fitted.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(DistributedDataParallel(network, broadcast_buffers=False))
        self.gradient_scale = distributed.get_world_size()  # DistributedDataParallel divides the sum by it

    def sizes(self, local_sizes: Tensor) -> Tensor:
        """The divisors over all processes' rows."""
        return summed(local_sizes.clone())


class Weights(Exchange):
    """Every process takes its own steps; at intervals, all take the mean of their weights, weighted by rows.

    Args:
        network: the network that is fitted.
        every: steps between two exchanges.
    """

    def __init__(self, network: nn.Module, every: int) -> None:
        super().__init__(network)
        self.batches_at_once = distributed.get_world_size()
        self._every = every
        self._steps = self._rows = 0

    def after_step(self, rows: int) -> None:
        """Counts the rows, and averages the weights after `every` steps."""
        self._steps += 1
        self._rows += rows
        if self._steps == self._every:
            self.after_epoch()

    def after_epoch(self) -> None:
        """Averages the weights, unless no step was taken since the last exchange."""
        if not self._steps:  # the same on every process: all take the same number of steps
            return
        with torch.no_grad():
            weights = parameters_to_vector(self.network.parameters())
            weighted = summed(torch.cat([weights * self._rows, weights.new_tensor([self._rows])]))
            if weighted[-1] > 0:
                vector_to_parameters(weighted[:-1] / weighted[-1], self.network.parameters())
        self._steps = self._rows = 0


def summed(tensor: Tensor) -> Tensor:
    """Replaces a tensor by its sum over all processes, and returns it.

    Args:
        tensor: the same shape on every process.
    """
    if distributed.is_initialized():
        distributed.all_reduce(tensor)
    return tensor


def exchange_of(network: nn.Module, world: int, every: int) -> Exchange:
    """The exchange for a fit.

    Args:
        network: the network that is fitted.
        world: processes of the running group; 0: one process without a group.
        every: steps between two exchanges; 1: gradients in every step, more: averaged weights.
    """
    if not world:
        return Exchange(network)
    return Gradients(network) if every == 1 else Weights(network, every)
