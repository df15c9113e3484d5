"""The registry of encoder kinds: from rows of a feed to inputs, prior means and loss terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bgmrec.encoders.losses import TermSums, autoencoder_terms, latent_terms
from bgmrec.feed.rows import Rows
from bgmrec.storage import columns as c


@dataclass(frozen=True)
class Kind:
    """What training and encoding need of one kind of encoder.

    Args:
        columns: columns of the feed that the network reads.
        prior: (network, rows) → prior means, (rows, width).
        terms: (network, rows) → loss terms of the rows.
        tables: modules of the network whose weights have one row per item or word; `table_weight_decay` applies.
        on_features: modules that features are multiplied with; `feature_weight_decay` applies.
    """

    columns: tuple[str, ...]
    prior: Callable[[nn.Module, Rows], Tensor]
    terms: Callable[[nn.Module, Rows], TermSums]
    tables: tuple[str, ...]
    on_features: tuple[str, ...]


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _tensor(array: np.ndarray, device: torch.device) -> Tensor:
    # Torch refuses views of read-only bytes
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)


def _asdae_inputs(network: nn.Module, rows: Rows) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    device = _device(network)
    rated = rows.ragged[c.RATED_IDX]
    values = rows.ragged[c.RATED_VALUES].values
    arrays = (rows.dense[c.FEATURES], rated.values.astype(np.int64), rated.offsets, values)
    features, item_idx, offsets, rated_values = (_tensor(array, device) for array in arrays)
    return features, item_idx, offsets, rated_values


def _targets(network: nn.Module, rows: Rows) -> tuple[Tensor, Tensor]:
    device = _device(network)
    return _tensor(rows.dense[c.TARGET], device), _tensor(rows.dense[c.WEIGHT], device)


def _asdae_prior(network: nn.Module, rows: Rows) -> Tensor:
    return network(*_asdae_inputs(network, rows)).prior


def _asdae_terms(network: nn.Module, rows: Rows) -> TermSums:
    inputs = _asdae_inputs(network, rows)
    return autoencoder_terms(network(*inputs), *_targets(network, rows), features=inputs[0])


def _text_cnn_prior(network: nn.Module, rows: Rows) -> Tensor:
    tokens = rows.ragged[c.TOKENS].padded().astype(np.int64)
    return network(_tensor(tokens, _device(network)), _tensor(rows.dense[c.FEATURES], _device(network)))


def _text_cnn_terms(network: nn.Module, rows: Rows) -> TermSums:
    return latent_terms(_text_cnn_prior(network, rows), *_targets(network, rows))


KINDS = {
    "asdae": Kind(
        columns=(c.IDX, c.FEATURES, c.RATED_IDX, c.RATED_VALUES),
        prior=_asdae_prior,
        terms=_asdae_terms,
        tables=("rating_input",),
        on_features=("side",),
    ),
    "text_cnn": Kind(
        columns=(c.IDX, c.FEATURES, c.TOKENS),
        prior=_text_cnn_prior,
        terms=_text_cnn_terms,
        tables=("embedding",),
        on_features=("feature_input", "skip"),
    ),
}
TRAINING_COLUMNS = (c.TARGET, c.WEIGHT)
