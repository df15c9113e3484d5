"""The user encoder's layers over items: ratings in, ratings out, and the running item factors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmrec.encoders.layers import require
from bgmrec.encoders.rated import RatedItems, bag_of_ratings, scores_of_rated

INITIAL_SCALE = 0.05  # standard deviation of item tables and of what leads to the prior mean: it starts near 0


def item_table(n_items: int, width: int) -> nn.Parameter:
    """(items, width), a parameter with small random values."""
    return nn.Parameter(torch.randn(n_items, width) * INITIAL_SCALE)


class RatingInput(nn.Module):
    """C_1 corrupt(R): (Σ_kept value · row + Σ_kept presence row) / (number kept)^rating_norm.

    A user of whom some ratings are hidden looks like a user who never gave them.

    Args:
        n_items: rows of the tables.
        width: of the first hidden layer.
        use_presence: with rows that are summed whatever the rating.
        rating_norm: 0 for a sum, 1 for a mean.
        corruption_rate: the share of ratings that training hides.
    """

    def __init__(self, *, n_items: int, width: int, use_presence: bool, rating_norm: float, corruption_rate: float):
        super().__init__()
        self.rating_norm, self.corruption_rate = rating_norm, corruption_rate
        self.ratings = item_table(n_items, width)
        self.presence = item_table(n_items, width) if use_presence else None

    def kept(self, values: Tensor) -> Tensor:
        """(ratings,): 1 where the rating enters, 0 where training hides it."""
        kept = torch.ones_like(values)
        return kept.bernoulli_(1 - self.corruption_rate) if self.training else kept

    def forward(self, values: Tensor, kept: Tensor, rated: RatedItems) -> Tensor:
        """(ratings,), (ratings,) -> (users, width)"""
        total = bag_of_ratings(self.ratings, kept * values, rated)
        if self.presence is not None:
            total = total + bag_of_ratings(self.presence, kept, rated)
        counts = values.new_zeros(len(rated.offsets) - 1).index_add(0, rated.user_pos, kept).clamp(min=1)
        return total * counts.pow(-self.rating_norm)[:, None]


class RatingOutput(nn.Module):
    """R̂ = C_L h + b at the rated items: (users, width) -> (ratings,)."""

    def __init__(self, *, n_items: int, width: int):
        super().__init__()
        self.table = item_table(n_items, width)
        self.bias = nn.Parameter(torch.zeros(n_items, 1))

    def forward(self, state: Tensor, rated: RatedItems) -> Tensor:
        ones = torch.ones_like(state[:, :1])
        return scores_of_rated(state, self.table, rated) + scores_of_rated(ones, self.bias, rated)


class ItemFactors(nn.Module):
    """The running item factors, constants to the encoder: v_j and, with a bias, b_j.

    Args:
        n_items: rows.
        width: of a factor row, the bias last.
        bias: whether the rows have one.

    Raises:
        ValueError: the rows would hold nothing but the bias.
    """

    vectors: Tensor
    offsets: Tensor

    def __init__(self, *, n_items: int, width: int, bias: bool):
        super().__init__()
        require(width > bias, "factor rows hold at least one coordinate beside the bias")
        self.bias = bias
        self.register_buffer("vectors", torch.zeros(n_items, width - bias))
        self.register_buffer("offsets", torch.zeros(n_items))

    def centred(self, values: Tensor, rated: RatedItems) -> Tensor:
        """r - b_j of each rating."""
        return values - self.offsets[rated.item_idx]

    def forward(self, prior: Tensor, rated: RatedItems) -> Tensor:
        """What the prior mean alone predicts of r - b_j: u·v_j + a, (users, width) -> (ratings,)."""
        scores = scores_of_rated(prior[:, : self.vectors.shape[1]].contiguous(), self.vectors, rated)
        return scores + prior[rated.user_pos, -1] if self.bias else scores
