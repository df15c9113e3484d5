"""An encoder at rest: its kind, the numbers that build it and its weights; never a pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
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
    """Everything that an encoder is.

    Args:
        kind: `asdae` or `text_cnn`.
        numbers: the keyword arguments of the network's constructor.
        weights: parameter name → float32 array.
        calibration: of what the network gives; none: its outputs are the prior means.
    """

    kind: str
    numbers: dict[str, Any]
    weights: dict[str, np.ndarray]
    calibration: Calibration | None = None

    def to_bytes(self) -> bytes:
        """A safetensors file, the kind and the numbers in its metadata."""
        meta = json.dumps({"kind": self.kind, "numbers": self.numbers}, sort_keys=True)
        own = {} if self.calibration is None else {f"{_CALIBRATION}{n}": a for n, a in vars(self.calibration).items()}
        contiguous = {name: np.ascontiguousarray(array) for name, array in (self.weights | own).items()}
        return safetensors.save(contiguous, metadata={_META: meta})

    @classmethod
    def from_bytes(cls, content: bytes) -> EncoderState:
        """The state that `to_bytes` packed.

        Raises:
            InputError: the bytes are something else.
        """
        # the header is an 8-byte length and JSON; safetensors gives the metadata of files only
        length = int.from_bytes(content[:8], "little")
        try:
            meta = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][_META])
        except (ValueError, KeyError) as error:
            raise InputError(
                "these bytes are no encoder",
                expected=f"a safetensors file with {_META!r} in its metadata",
                found=repr(error),
                hint="train again without a warm start",
            ) from error
        arrays = safetensors.load(content)
        own = {name: arrays.pop(name) for name in [*arrays] if name.startswith(_CALIBRATION)}
        calibration = (
            Calibration(**{name.removeprefix(_CALIBRATION): array for name, array in own.items()}) if own else None
        )
        return cls(meta["kind"], meta["numbers"], arrays, calibration)

    def network(self) -> nn.Module:
        """The network with these weights, in eval mode.

        Raises:
            InputError: the weights do not fit the numbers.
        """
        network = NETWORKS[self.kind](**self.numbers)
        try:
            network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in self.weights.items()})
        except RuntimeError as error:
            raise InputError("the encoder's weights do not fit its numbers", found=str(error)) from error
        return network.eval()


def initial_state(kind: str, numbers: dict[str, Any], seed: int) -> EncoderState:
    """A new encoder of that kind, its weights drawn by the seed.

    Raises:
        ValueError: the numbers are out of range.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return state_of(kind, numbers, NETWORKS[kind](**numbers))


def state_of(kind: str, numbers: dict[str, Any], network: nn.Module) -> EncoderState:
    """The state of a network that these numbers built."""
    weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}
    return EncoderState(kind, numbers, weights)


def resized(state: EncoderState, fresh: EncoderState) -> EncoderState | None:
    """The state for more items: an item keeps its row of every item table, new items have those of a fresh state.

    Args:
        state: an earlier night's.
        fresh: drawn for this night's sizes.

    Returns:
        the earlier weights in this night's sizes, without a calibration; none where they are another network's
    """
    same_size = {**state.numbers, "n_items": None} == {**fresh.numbers, "n_items": None}
    if state.kind != fresh.kind or not same_size or state.weights.keys() != fresh.weights.keys():
        return None
    weights = {}
    for name, drawn in fresh.weights.items():
        known = state.weights[name]
        if known.shape[1:] != drawn.shape[1:] or len(known) > len(drawn):
            return None
        weights[name] = np.concatenate([known, drawn[len(known) :]])
    return EncoderState(fresh.kind, fresh.numbers, weights)


def with_item_factors(state: EncoderState, factors: np.ndarray) -> EncoderState:
    """The aSDAE with the running item factors as its constants; other states stay as they are.

    Args:
        factors: (items, width), the bias last where there is one.

    Raises:
        ValueError: the factors are not as many or not as wide as the encoder's.
    """
    weights = dict(state.weights)
    if "item_factors.vectors" not in weights:
        return state
    rank = weights["item_factors.vectors"].shape[1]
    expected = (len(weights["item_factors.offsets"]), state.numbers["width"])
    if factors.shape != expected:
        raise ValueError(f"item factors are {factors.shape} where the encoder has {expected}")
    weights["item_factors.vectors"] = np.ascontiguousarray(factors[:, :rank], dtype=np.float32)
    if factors.shape[1] > rank:
        weights["item_factors.offsets"] = np.ascontiguousarray(factors[:, rank], dtype=np.float32)
    return EncoderState(state.kind, state.numbers, weights)
