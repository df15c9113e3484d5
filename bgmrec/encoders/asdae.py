"""The user encoder: aSDAE, an additional stacked denoising autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bgmrec.encoders.layers import PriorOutput, activation, require
from bgmrec.encoders.rated import RatedItems
from bgmrec.encoders.rating_layers import INITIAL_SCALE, ItemFactors, RatingInput, RatingOutput


class Encoded(NamedTuple):
    """The encoder's outputs for some users; the arrays over ratings are empty for an encoder without ratings.

    prior: prior means, (users, width).
    features: X̂, (users, feature_width).
    ratings: R̂ at the rated items, (ratings,).
    predicted: ratings predicted by prior mean and item factors, (ratings,); empty without item factors.
    centred: the ratings that `ratings` and `predicted` are compared with, (ratings,).
    hidden: 1 where corruption hid the rating from the input, else 0, (ratings,).
    """

    prior: Tensor
    features: Tensor
    ratings: Tensor
    predicted: Tensor
    centred: Tensor
    hidden: Tensor


class Asdae(nn.Module):
    """aSDAE: encodes ratings R and side information X; X enters every layer, the prior mean is the middle layer.

    h_0 = corrupt(R),  X̃ = corrupt(X),  h_l = g(C_l h_{l-1} + Q_l X̃ + b_l),  prior mean = h_{L/2}
    R̂ = C_L h_{L-1} + b,  X̂ = Q_L h_{L-1} + b'

    R is sparse: the first layer sums the rated items' rows of an item table, the last one scores rated items only.

    Args:
        n_items: width of R, the number of items.
        feature_width: width of X; 0: no side information.
        width: floats of the prior mean.
        hidden: widths of the layers between input and prior mean, mirrored after it; empty: no such layers.
        activation_name: g of the hidden layers: relu, tanh, sigmoid, gelu or linear.
        prior_activation: linear or tanh.
        use_ratings: whether the encoder reads and reconstructs R; False: X only.
        use_item_factors: whether the running item factors are constants of the network (`state.with_item_factors`):
            the item bias b_j is subtracted from the ratings that enter, and prior mean and item factors also predict
            the ratings.
        bias: whether prior means and item factors have a bias as their last coordinate.
        use_presence: whether a second item table is summed over the rated items whatever the rating: the choice of
            items carries information beyond the ratings.
        rating_norm: the sum over n ratings is divided by n^rating_norm: 0 is a sum, 1 a mean.
        corruption_rate: the share of the entries of R that training hides.
        feature_corruption_rate: the share of the entries of X that training zeroes; the others are scaled up, so that
            the mean input stays the same.
        dropout_rate: the share of hidden values before the prior mean that training zeroes.

    Raises:
        ValueError: a number is out of its range, or there is neither a rating nor a feature to encode.

    Source: Dong et al., A Hybrid Collaborative Filtering Model with Deep Structure, AAAI 2017; Liu, Wang, Ding: PHD,
    ACML 2017.
    """

    def __init__(
        self,
        *,
        n_items: int,
        feature_width: int,
        width: int,
        hidden: Sequence[int] = (200,),
        activation_name: str = "tanh",
        prior_activation: str = "linear",
        use_ratings: bool = True,
        use_item_factors: bool = False,
        bias: bool = True,
        use_presence: bool = False,
        rating_norm: float = 0.5,
        corruption_rate: float = 0.4,
        feature_corruption_rate: float = 0.1,
        dropout_rate: float = 0.0,
    ):
        super().__init__()
        use_ratings = use_ratings and n_items > 0
        require(use_ratings or feature_width > 0, "an encoder needs ratings or features as its input")
        require(width > 0 and all(size > 0 for size in hidden), "layer widths must be at least 1")
        rates = (corruption_rate, feature_corruption_rate, dropout_rate)
        require(all(0 <= rate <= 1 for rate in rates), "corruption and dropout rates must lie between 0 and 1")
        self.n_items, self.feature_width = n_items, feature_width
        self.feature_corruption_rate, self.dropout_rate = feature_corruption_rate, dropout_rate
        self.activation = activation(activation_name)
        widths = [*hidden, width, *reversed(hidden)]  # of h_1 … h_{L-1}
        self.prior_layer = len(hidden)
        self.rating_input: RatingInput | None = None
        self.rating_output: RatingOutput | None = None
        self.item_factors: ItemFactors | None = None
        if use_ratings:
            self.rating_input = RatingInput(
                n_items=n_items,
                width=widths[0],
                use_presence=use_presence,
                rating_norm=rating_norm,
                corruption_rate=corruption_rate,
            )
            self.rating_output = RatingOutput(n_items=n_items, width=widths[-1])
            self.item_factors = ItemFactors(n_items=n_items, width=width, bias=bias) if use_item_factors else None
        self.weights = nn.ModuleList(nn.Linear(before, after, bias=False) for before, after in pairwise(widths))
        self.side = nn.ModuleList(nn.Linear(feature_width, size, bias=False) for size in widths if feature_width)
        self.biases = nn.ParameterList(torch.zeros(size) for size in widths)
        self.prior_output = PriorOutput(width=width, kind=prior_activation)
        self.feature_output = nn.Linear(widths[-1], feature_width) if feature_width else None
        for layer in (*self.weights[self.prior_layer - 1 : self.prior_layer], *self.side[self.prior_layer :][:1]):
            nn.init.normal_(layer.weight, std=INITIAL_SCALE)

    def forward(self, features: Tensor, rated_idx: Tensor, offsets: Tensor, values: Tensor) -> Encoded:
        """The prior means and both reconstructions.

        Args:
            features: X, (users, feature_width).
            rated_idx: (ratings,) int64 item indices, user by user.
            offsets: (users + 1,) int64, the first rating of each user.
            values: (ratings,) float, centred ratings.
        """
        empty = features.new_zeros(0)
        if self.rating_input is None or self.rating_output is None:
            prior, state = self._layers(features, None)
            return Encoded(prior, self._features(state, features), empty, empty, empty, empty)
        rated = RatedItems(rated_idx, offsets, self.n_items)
        centred = values if self.item_factors is None else self.item_factors.centred(values, rated)
        kept = self.rating_input.kept(values)
        prior, state = self._layers(features, self.rating_input(centred, kept, rated))
        predicted = empty if self.item_factors is None else self.item_factors(prior, rated)
        ratings = self.rating_output(state, rated)
        return Encoded(prior, self._features(state, features), ratings, predicted, centred, 1 - kept)

    def _layers(self, features: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """(prior mean h_{L/2}, h_{L-1}) from the first layer's sum over ratings, or None without ratings."""
        side = functional.dropout(features, self.feature_corruption_rate, self.training)
        prior = features.new_zeros(0)
        for layer, bias in enumerate(self.biases):
            total = bias + (self.side[layer](side) if self.feature_width else 0.0)
            if state is not None:
                total = total + (state if layer == 0 else self.weights[layer - 1](state))
            if layer == self.prior_layer:
                state = prior = self.prior_output(total)
            else:
                rate = self.dropout_rate if layer < self.prior_layer else 0.0
                state = functional.dropout(self.activation(total), rate, self.training)
        assert state is not None
        return prior, state

    def _features(self, state: Tensor, features: Tensor) -> Tensor:
        return features if self.feature_output is None else self.feature_output(state)
