"""The item encoder against a plain NumPy convolution; padding, short and missing documents."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from bgmrec.encoders.text_cnn import TextCnn

VOCABULARY, FEATURES, WIDTH = 12, 3, 4


def _network(**changes: object) -> TextCnn:
    torch.manual_seed(1)
    sizes = {"embedding_size": 6, "filters": 5, "hidden": 8, "feature_hidden": 4}
    numbers = {"vocabulary_size": VOCABULARY, "feature_width": FEATURES, "width": WIDTH, **sizes, **changes}
    network = TextCnn(**numbers)
    for name, parameter in network.named_parameters():
        if not name.startswith("embedding"):
            torch.nn.init.normal_(parameter, std=0.5)
    return network.eval()


def _tokens(documents: list[list[int]], length: int = 0) -> Tensor:
    length = max(length, max(len(document) for document in documents))
    rows = [document + [0] * (length - len(document)) for document in documents]
    return torch.tensor(rows, dtype=torch.int64).reshape(len(documents), length)


DOCUMENTS = [[3, 1, 4, 1, 5, 9, 2, 6], [5, 3], [], [8, 9, 7], [9, 3, 2, 3, 8]]
SIDE = torch.linspace(-1, 1, len(DOCUMENTS) * FEATURES).reshape(-1, FEATURES)


def test_pooled_document_equals_a_plain_convolution():
    network = _network(widths=[3])
    pooled = network._document(_tokens(DOCUMENTS)).detach().numpy()
    table = network.embedding.weight.detach().numpy()
    kernel = network.convolutions[0].weight.detach().numpy()  # (filters, dim, 3)
    bias = network.convolutions[0].bias.detach().numpy()
    for document, got in zip(DOCUMENTS, pooled, strict=True):
        words = table[document + [0] * max(0, 3 - len(document))]  # row 0, the padding, is zero
        windows = [words[begin : begin + 3] for begin in range(len(words) - 2)] if document else []
        responses = [bias + np.einsum("fdt,td->f", kernel, window) for window in windows]
        np.testing.assert_allclose(got, np.max([np.zeros(5), *responses], axis=0), atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(st.integers(min_value=0, max_value=40), st.permutations(range(len(DOCUMENTS))))
def test_padding_and_other_documents_change_nothing(length: int, order: list[int]):
    network = _network()
    plain = network(_tokens(DOCUMENTS), SIDE)
    shuffled = network(_tokens([DOCUMENTS[i] for i in order], length), SIDE[order])
    torch.testing.assert_close(shuffled, plain[order], rtol=1e-4, atol=1e-5)


def test_padding_cannot_win_by_a_positive_bias():
    network = _network()
    with torch.no_grad():
        for convolution in network.convolutions:
            convolution.bias.fill_(10.0)
            convolution.weight.fill_(-1.0)
        network.embedding.weight[1:] = 5.0  # every real window is far below its bias, padding would give 10
    pooled = network._document(_tokens([[1, 2, 3, 4, 5, 6], []], 20))
    torch.testing.assert_close(pooled, torch.zeros_like(pooled))


def test_more_documents_than_a_chunk_keep_their_order():
    generator = np.random.default_rng(0)
    documents = [generator.integers(1, VOCABULARY + 1, generator.integers(0, 30)).tolist() for _ in range(150)]
    network, features = _network(), torch.zeros(150, FEATURES)
    together = network(_tokens(documents), features)
    for i in (0, 77, 149):
        alone = network(_tokens([documents[i]], 1), features[:1])
        torch.testing.assert_close(together[i], alone[0], rtol=1e-4, atol=1e-5)


def test_an_item_without_tokens_is_its_features():
    network = _network()
    empty = network(_tokens([[], []], 4), SIDE[:2])
    assert empty.isfinite().all() and not torch.allclose(empty[0], empty[1])


def test_the_padding_row_stays_zero_in_training():
    network = _network().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1, fused=True)
    for _ in range(3):
        optimizer.zero_grad()
        network(_tokens(DOCUMENTS), SIDE).square().sum().backward()
        optimizer.step()
    assert not network.embedding.weight[0].any() and network.embedding.weight[1:].any()


def test_without_features_and_without_text():
    no_features = _network(feature_width=0)
    assert no_features(_tokens(DOCUMENTS), SIDE[:, :0]).shape == (len(DOCUMENTS), WIDTH)
    no_text = _network(vocabulary_size=0)
    first, second = no_text(_tokens(DOCUMENTS), SIDE), no_text(_tokens([[]] * len(DOCUMENTS), 0), SIDE)
    torch.testing.assert_close(first, second)
    with pytest.raises(ValueError, match="needs text or features"):
        _network(vocabulary_size=0, feature_width=0)


def test_the_skip_path_starts_at_zero_and_is_linear():
    torch.manual_seed(1)
    network = TextCnn(vocabulary_size=VOCABULARY, feature_width=FEATURES, width=WIDTH)
    assert not network.skip.weight.any()
    with torch.no_grad():
        network.output.weight.zero_()
        network.skip.weight.normal_()
    expected = functional.linear(SIDE, network.skip.weight, network.output.bias)
    torch.testing.assert_close(network.eval()(_tokens(DOCUMENTS), SIDE), expected)


def test_an_empty_batch_reaches_every_weight_of_a_tanh_output():
    network = _network(prior_activation="tanh").train()
    network(torch.zeros(0, 0, dtype=torch.int64), SIDE[:0]).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
