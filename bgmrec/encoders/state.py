"""The stored state of an encoder: its kind, constructor arguments, weights and calibration. Never a pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from safetensors import numpy as safetensors
from torch import nn

from bgmrec.encoders.asdae import Asdae
from bgmrec.encoders.calibrate import Calibration
from bgmrec.encoders.text_cnn import TextCnn
from bgmrec.errors import InputError

NETWORKS: dict[str, type[nn.Module]] = {"asdae": Asdae, "text_cnn": TextCnn}
_META = "bgmrec_encoder"
_CALIBRATION = "calibration."


@dataclass(frozen=True)
class EncoderState:
    """Everything that is needed to build and apply an encoder.

    Args:
        kind: a key of `NETWORKS`.
        numbers: keyword arguments of the network's constructor.
        weights: parameter name → float32 array.
        calibration: from the network's outputs to prior means; None: the outputs are the prior means.
    """

    kind: str
    numbers: dict[str, Any]
    weights: dict[str, np.ndarray]
    calibration: Calibration | None = None

    def to_bytes(self) -> bytes:
        """The state as a safetensors file; kind and constructor arguments are in its metadata."""
        meta = json.dumps({"kind": self.kind, "numbers": self.numbers}, sort_keys=True)
        line = {} if self.calibration is None else vars(self.calibration)
        arrays = self.weights | {f"{_CALIBRATION}{name}": array for name, array in line.items()}
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        return safetensors.save(contiguous, metadata={_META: meta})

    @classmethod
    def from_bytes(cls, content: bytes) -> EncoderState:
        """The state that `to_bytes` packed.

        Args:
            content: a safetensors file.

        Raises:
            InputError: the bytes are not the state of an encoder.
        """
        # the header is an 8-byte length and JSON; safetensors returns the metadata of files only, not of bytes
        length = int.from_bytes(content[:8], "little")
        try:
            meta = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][_META])
        except (ValueError, KeyError) as error:
            raise InputError(
                "the stored weights of an encoder cannot be read",
                where="<user or item>_encoder.safetensors of a model or of a round",
                expected=f"a safetensors file with the key {_META!r} in its metadata",
                found=f"{len(content)} bytes, {error!r}",
                hint="train again with --set train.warm_start=false; if a round's file is damaged, delete the scratch",
            ) from error
        arrays = safetensors.load(content)
        line = {
            name.removeprefix(_CALIBRATION): arrays.pop(name) for name in [*arrays] if name.startswith(_CALIBRATION)
        }
        return cls(meta["kind"], meta["numbers"], arrays, Calibration(**line) if line else None)

    def network(self) -> nn.Module:
        """The network with these weights, in eval mode.

        Raises:
            InputError: the weights do not match the constructor arguments.
        """
        network = NETWORKS[self.kind](**self.numbers)
        try:
            network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in self.weights.items()})
        except RuntimeError as error:
            raise InputError(
                "the stored weights of an encoder do not match its constructor arguments",
                where=f"weights of the {self.kind} encoder",
                expected=f"the parameters of {NETWORKS[self.kind].__name__}({self.numbers})",
                found=str(error),
                hint="train again with --set train.warm_start=false",
            ) from error
        return network.eval()


def initial_state(kind: str, numbers: dict[str, Any], seed: int) -> EncoderState:
    """A new encoder with random weights.

    Args:
        kind: a key of `NETWORKS`.
        numbers: keyword arguments of the network's constructor.
        seed: seed of the weights.

    Raises:
        ValueError: a number is out of range.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return state_of(kind, numbers, NETWORKS[kind](**numbers))


def state_of(kind: str, numbers: dict[str, Any], network: nn.Module) -> EncoderState:
    """The state of a network, without a calibration.

    Args:
        kind: a key of `NETWORKS`.
        numbers: the arguments that the network was built with.
        network: the network.
    """
    weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}
    return EncoderState(kind, numbers, weights)


def resized(state: EncoderState, fresh: EncoderState) -> EncoderState | None:
    """An earlier state for more items: every item keeps its row of every item table, new items get random rows.

    The calibration stays: it says how far the outputs of these weights are trusted.

    Args:
        state: state of an earlier run.
        fresh: a random state in this run's sizes.

    Returns:
        The earlier weights in this run's sizes; None where the two are different networks.
    """
    same_size = {**state.numbers, "n_items": None} == {**fresh.numbers, "n_items": None}
    if state.kind != fresh.kind or not same_size or state.weights.keys() != fresh.weights.keys():
        return None
    weights = {}
    for name, drawn in fresh.weights.items():
        earlier = state.weights[name]
        if earlier.shape[1:] != drawn.shape[1:] or len(earlier) > len(drawn):
            return None
        weights[name] = np.concatenate([earlier, drawn[len(earlier) :]])
    return EncoderState(fresh.kind, fresh.numbers, weights, state.calibration)


def with_item_factors(state: EncoderState, factors: np.ndarray) -> EncoderState:
    """The aSDAE's state with the running item factors as its constants; other encoders' states stay the same.

    Args:
        state: state of an encoder.
        factors: (items, width), the bias last where there is one.

    Raises:
        ValueError: the encoder has another number of items or another width.
    """
    weights = dict(state.weights)
    if "item_factors.vectors" not in weights:
        return state
    rank = weights["item_factors.vectors"].shape[1]
    expected = (len(weights["item_factors.offsets"]), state.numbers["width"])
    if factors.shape != expected:
        raise ValueError(f"item factors have the shape {factors.shape}; the encoder expects {expected}")
    weights["item_factors.vectors"] = np.ascontiguousarray(factors[:, :rank], dtype=np.float32)
    if factors.shape[1] > rank:
        weights["item_factors.offsets"] = np.ascontiguousarray(factors[:, rank], dtype=np.float32)
    return replace(state, weights=weights)
