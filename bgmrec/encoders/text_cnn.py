"""The item encoder: TextCNN, a convolutional network over the document, joined with categorical and dense features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bgmrec.encoders.layers import PriorOutput, require

_CHUNK = 64  # documents of similar length convolved together; a chunk is padded to its longest document


class TextCnn(nn.Module):
    """TextCNN: embedding, convolutions, ReLU, max over time, dropout, tanh; features join before the projection.

    Args:
        vocabulary_size: token ids are 1 … vocabulary_size, 0 is padding; a size of 0: no text.
        feature_width: width of the categorical and dense features; 0: no features.
        width: floats of the prior mean.
        embedding_size: floats per token.
        filters: filters per convolution width.
        widths: convolution widths in tokens.
        hidden: width of the tanh layer.
        feature_hidden: width of the features' tanh layer before they join.
        feature_skip: whether a linear path leads from the features directly to the prior mean.
        feature_dropout_rate: the share of the features that training zeroes.
        dropout_rate: the share of joined and of hidden values that training zeroes.
        prior_activation: linear or tanh.

    Raises:
        ValueError: a number is out of its range, or there is neither text nor a feature to encode.

    Source: Kim, Convolutional Neural Networks for Sentence Classification, EMNLP 2014; Kim et al., ConvMF, RecSys 2016.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        feature_width: int,
        width: int,
        embedding_size: int = 200,
        filters: int = 100,
        widths: Sequence[int] = (3, 4, 5),
        hidden: int = 200,
        feature_hidden: int = 64,
        feature_skip: bool = True,
        feature_dropout_rate: float = 0.0,
        dropout_rate: float = 0.2,
        prior_activation: str = "linear",
    ):
        super().__init__()
        with_text = vocabulary_size > 0 and len(widths) > 0
        require(with_text or feature_width > 0, "an encoder needs text or features as its input")
        require(min([width, embedding_size, filters, hidden, feature_hidden, *widths]) > 0, "widths must be at least 1")
        require(0 <= dropout_rate <= 1 and 0 <= feature_dropout_rate <= 1, "dropout rates must lie between 0 and 1")
        self.vocabulary_size, self.feature_width = vocabulary_size, feature_width
        self.dropout_rate, self.feature_dropout_rate = dropout_rate, feature_dropout_rate
        self.embedding = nn.Embedding(vocabulary_size + 1, embedding_size, padding_idx=0) if with_text else None
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding_size, filters, size) for size in widths if with_text)
        self.widest = max(widths, default=0)
        self.feature_input = nn.Linear(feature_width, feature_hidden) if feature_width else None
        joined = filters * len(self.convolutions) + (feature_hidden if feature_width else 0)
        self.projection = nn.Linear(joined, hidden)
        self.output = nn.Linear(hidden, width)
        self.skip = nn.Linear(feature_width, width, bias=False) if feature_width and feature_skip else None
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)
        self.prior_output = PriorOutput(width=width, kind=prior_activation)
        nn.init.normal_(self.output.weight, std=0.01)  # the prior mean starts near 0, as in plain factorization
        nn.init.zeros_(self.output.bias)

    def forward(self, tokens: Tensor, features: Tensor) -> Tensor:
        """The prior means.

        Args:
            tokens: (items, length) int64, each row's tokens first, then 0.
            features: (items, feature_width).

        Returns:
            (items, width)
        """
        features = functional.dropout(features, self.feature_dropout_rate, self.training)
        joined = []
        if self.embedding is not None:
            joined.append(self._document(tokens))
        if self.feature_input is not None:
            joined.append(torch.tanh(self.feature_input(features)))
        state = functional.dropout(torch.cat(joined, 1), self.dropout_rate, self.training)
        state = functional.dropout(torch.tanh(self.projection(state)), self.dropout_rate, self.training)
        total = self.output(state)
        return self.prior_output(total if self.skip is None else total + self.skip(features))

    def _document(self, tokens: Tensor) -> Tensor:
        """(items, length) -> (items, filters · widths); sorting by length saves most of the padding."""
        lengths = (tokens != 0).sum(1)
        order = torch.argsort(lengths, stable=True)
        chunks = [self._convolve(tokens[rows], lengths[rows]) for rows in order.split(_CHUNK)]
        return torch.cat(chunks)[torch.argsort(order)]

    def _convolve(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        assert self.embedding is not None
        longest = max(self.widest, int(lengths.max()) if len(lengths) else 0)
        tokens = functional.pad(tokens[:, :longest], (0, max(0, longest - tokens.shape[1])))
        embedded = self.embedding(tokens).transpose(1, 2)  # (items, length) -> (items, dim, length)
        return torch.cat([_max_over_time(conv, embedded, lengths) for conv in self.convolutions], 1)


def _max_over_time(convolution: nn.Module, embedded: Tensor, lengths: Tensor) -> Tensor:
    """(items, filters): the maximum over the windows inside each document.

    A document shorter than the window has one window, padded with zeros; a document without tokens gives zeros.
    Windows that reach into the padding count as 0 and never exceed the others, which are outputs of ReLU.
    """
    maps = functional.relu(convolution(embedded))  # (items, dim, length) -> (items, filters, windows)
    size = embedded.shape[2] - maps.shape[2] + 1
    windows = torch.where(lengths > 0, (lengths - size + 1).clamp(min=1), 0)
    inside = torch.arange(maps.shape[2], device=maps.device) < windows[:, None]
    return (maps * inside[:, None]).amax(2)
