"""The user encoder's layers with one row per item: rating input, rating output, and the running item factors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmrec.encoders.layers import require
from bgmrec.encoders.rated import RatedItems, bag_of_ratings, scores_of_rated

INITIAL_SCALE = 0.05  # standard deviation of item tables and of the weights to the prior mean, which starts near 0


def item_table(n_items: int, width: int) -> nn.Parameter:
    """A parameter (items, width) with small random values.

    Args:
        n_items: rows.
        width: floats per row.
    """
    return nn.Parameter(torch.randn(n_items, width) * INITIAL_SCALE)


class RatingInput(nn.Module):
    """C_1 corrupt(R): (Σ_kept value · row + Σ_kept presence row) / (number kept)^rating_norm.

    A user with hidden ratings gives the same output as a user without these ratings.

    Args:
        n_items: rows of the tables.
        width: width of the first hidden layer.
        use_presence: whether a second table is summed whatever the rating.
        rating_norm: 0 for a sum, 1 for a mean.
        corruption_rate: the share of ratings that training hides.
    """

    def __init__(self, *, n_items: int, width: int, use_presence: bool, rating_norm: float, corruption_rate: float):
        super().__init__()
        self.rating_norm, self.corruption_rate = rating_norm, corruption_rate
        self.ratings = item_table(n_items, width)
        self.presence = item_table(n_items, width) if use_presence else None

    def kept(self, values: Tensor) -> Tensor:
        """(ratings,): 1 where the rating enters, 0 where training hides it.

        Args:
            values: (ratings,).
        """
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
    """R̂ = C_L h + b at the rated items.

    Args:
        n_items: rows of the table.
        width: width of the last hidden layer.
    """

    def __init__(self, *, n_items: int, width: int):
        super().__init__()
        self.table = item_table(n_items, width)
        self.bias = nn.Parameter(torch.zeros(n_items, 1))

    def forward(self, state: Tensor, rated: RatedItems) -> Tensor:
        """(users, width) -> (ratings,)"""
        ones = torch.ones_like(state[:, :1])
        return scores_of_rated(state, self.table, rated) + scores_of_rated(ones, self.bias, rated)


class ItemFactors(nn.Module):
    """The running item factors v_j and, with a bias, b_j; constants of the network.

    Args:
        n_items: rows.
        width: floats of a factor row, the bias last.
        bias: whether factor rows have a bias.

    Raises:
        ValueError: a row would hold only the bias.
    """

    vectors: Tensor
    offsets: Tensor

    def __init__(self, *, n_items: int, width: int, bias: bool):
        super().__init__()
        require(width > bias, "factor rows need at least one coordinate beside the bias")
        self.bias = bias
        self.register_buffer("vectors", torch.zeros(n_items, width - bias))
        self.register_buffer("offsets", torch.zeros(n_items))

    def centred(self, values: Tensor, rated: RatedItems) -> Tensor:
        """r - b_j of each rating, (ratings,)."""
        return values - self.offsets[rated.item_idx]

    def forward(self, prior: Tensor, rated: RatedItems) -> Tensor:
        """r - b_j as the prior mean [u, a] predicts it: u·v_j + a, (users, width) -> (ratings,)."""
        scores = scores_of_rated(prior[:, : self.vectors.shape[1]].contiguous(), self.vectors, rated)
        return scores + prior[rated.user_pos, -1] if self.bias else scores
