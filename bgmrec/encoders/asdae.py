"""The user encoder: an additional stacked denoising autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from bgmrec.encoders.layers import PriorOutput, activation, require
from bgmrec.encoders.rated import RatedItems, bag_of_ratings, scores_of_rated


class Asdae(nn.Module):
    """aSDAE: ratings and side information in, side information again in every layer, the prior mean in the middle.

    h_l = g(C_l h_{l-1} + Q_l X̃ + b_l), h_0 = corrupt(R), X̃ = corrupt(X);  R̂ = C_L h_{L-1} + b,  X̂ = Q_L h_{L-1} + b'

    R is sparse: the first layer sums rows of an item table over the rated items, the last scores rated items only.

    Args:
        n_items: width of R, the number of items.
        feature_width: width of X; 0 for none.
        width: of the prior mean.
        hidden: widths between input and prior, mirrored behind it; empty for none.
        activation_name: g of the hidden layers: relu, tanh, sigmoid, gelu or linear.
        prior_activation: linear or tanh.
        use_ratings: with R; without it the encoder sees, and reconstructs, X only.
        rating_norm: the bag over n ratings is divided by n^rating_norm, so that inputs of users with few and with
            many ratings are of one size: 0 a sum, 1 a mean.
        use_presence: with a second item table that is summed over the rated items whatever their ratings: which
            items a user chose says something beyond how much they liked them.
        corruption_rate: the share of the entries of R that training zeroes (the kept ones are scaled up, so that
            the input of evaluation is of the same size).
        feature_corruption_rate: the same of X.
        dropout_rate: the share of hidden values that training zeroes.

    Raises:
        ValueError: a number is out of its range, or there is nothing to encode.

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
        use_presence: bool = False,
        rating_norm: float = 0.5,
        corruption_rate: float = 0.4,
        feature_corruption_rate: float = 0.1,
        dropout_rate: float = 0.0,
    ):
        super().__init__()
        use_ratings = use_ratings and n_items > 0
        require(use_ratings or feature_width > 0, "an encoder with neither ratings nor features encodes nothing")
        require(width > 0 and all(size > 0 for size in hidden), "layer widths are at least 1")
        rates = (corruption_rate, feature_corruption_rate, dropout_rate)
        require(all(0 <= rate <= 1 for rate in rates), "rates are shares between 0 and 1")
        self.n_items, self.feature_width = n_items, feature_width
        self.feature_corruption_rate, self.dropout_rate = feature_corruption_rate, dropout_rate
        self.activation = activation(activation_name)
        widths = [*hidden, width, *reversed(hidden)]  # of h_1 … h_{L-1}
        self.prior_layer = len(hidden)
        self.rating_input = (
            RatingInput(
                n_items=n_items,
                width=widths[0],
                use_presence=use_presence,
                rating_norm=rating_norm,
                corruption_rate=corruption_rate,
            )
            if use_ratings
            else None
        )
        self.weights = nn.ModuleList(nn.Linear(before, after, bias=False) for before, after in pairwise(widths))
        self.side = nn.ModuleList(nn.Linear(feature_width, size, bias=False) for size in widths if feature_width)
        self.biases = nn.ParameterList(torch.zeros(size) for size in widths)
        self.prior_output = PriorOutput(width=width, kind=prior_activation)
        self.rating_output = RatingOutput(n_items=n_items, width=widths[-1]) if use_ratings else None
        self.feature_output = nn.Linear(widths[-1], feature_width) if feature_width else None

    def forward(
        self, features: Tensor, rated_idx: Tensor, offsets: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The prior means and both reconstructions.

        Args:
            features: X, (users, feature_width).
            rated_idx: (ratings,) int64 item indices, user by user.
            offsets: (users + 1,) int64, where each user's ratings begin.
            values: (ratings,) float, centred.

        Returns:
            prior means (users, width), R̂ at the rated items (ratings,) or (0,) without ratings, X̂ like features
        """
        rated = RatedItems(rated_idx, offsets, self.n_items) if self.rating_input is not None else None
        side = functional.dropout(features, self.feature_corruption_rate, self.training)
        state = self.rating_input(values, rated) if self.rating_input is not None else None
        prior = features.new_empty(0)
        for layer, bias in enumerate(self.biases):
            total = bias + (self.side[layer](side) if self.feature_width else 0.0)
            if state is not None:
                total = total + (state if layer == 0 else self.weights[layer - 1](state))
            if layer == self.prior_layer:
                state = prior = self.prior_output(total)
            else:
                state = functional.dropout(self.activation(total), self.dropout_rate, self.training)
        ratings = self.rating_output(state, rated) if self.rating_output is not None else features.new_zeros(0)
        return prior, ratings, self.feature_output(state) if self.feature_output is not None else features


class RatingInput(nn.Module):
    """C_1 corrupt(R): Σ over the rated items of value · row (+ presence row), by n^rating_norm."""

    def __init__(self, *, n_items: int, width: int, use_presence: bool, rating_norm: float, corruption_rate: float):
        super().__init__()
        self.rating_norm, self.corruption_rate = rating_norm, corruption_rate
        self.ratings = _item_table(n_items, width)
        self.presence = _item_table(n_items, width) if use_presence else None

    def forward(self, values: Tensor, rated: RatedItems) -> Tensor:
        kept = functional.dropout(torch.ones_like(values), self.corruption_rate, self.training)
        total = bag_of_ratings(self.ratings, kept * values, rated)
        if self.presence is not None:
            total = total + bag_of_ratings(self.presence, kept, rated)
        sizes = rated.offsets.diff().clamp(min=1).to(values.dtype)
        return total * sizes.pow(-self.rating_norm)[:, None]


class RatingOutput(nn.Module):
    """R̂ = C_L h + b at the rated items: (users, width) -> (ratings,)."""

    def __init__(self, *, n_items: int, width: int):
        super().__init__()
        self.table = _item_table(n_items, width)
        self.bias = nn.Parameter(torch.zeros(n_items, 1))

    def forward(self, state: Tensor, rated: RatedItems) -> Tensor:
        ones = torch.ones_like(state[:, :1])
        return scores_of_rated(state, self.table, rated) + scores_of_rated(ones, self.bias, rated)


def _item_table(n_items: int, width: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(n_items, width) * width**-0.5)
