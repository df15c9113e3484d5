"""Both encoders pass the conformance tests."""

from __future__ import annotations

from typing import Any

import pytest

from bgmrec.encoders.losses import LossWeights
from bgmrec.feed.rows import Rows
from tests.conformance.encoders import EncoderTests
from tests.unit.encoder_rows import FEATURES, N_ITEMS, VOCABULARY, WIDTH, item_rows, user_rows


class TestAsdae(EncoderTests):
    loss = LossWeights(latent=1.0, predicted=0.1, ratings=0.2, features=0.05)
    quiet = {"corruption_rate": 0.0, "feature_corruption_rate": 0.0, "dropout_rate": 0.0}  # noqa: RUF012

    @pytest.fixture
    def kind(self) -> str:
        return "asdae"

    @pytest.fixture
    def numbers(self) -> dict[str, Any]:
        sizes = {"n_items": N_ITEMS, "feature_width": FEATURES, "width": WIDTH, "hidden": [6]}
        tables = {"use_presence": True, "use_item_factors": True}
        return {**sizes, **tables, "corruption_rate": 0.5, "feature_corruption_rate": 0.5, "dropout_rate": 0.2}

    @pytest.fixture
    def rows(self) -> Rows:
        return user_rows()


class TestTextCnn(EncoderTests):
    quiet = {"dropout_rate": 0.0, "feature_dropout_rate": 0.0}  # noqa: RUF012

    @pytest.fixture
    def kind(self) -> str:
        return "text_cnn"

    @pytest.fixture
    def numbers(self) -> dict[str, Any]:
        sizes = {"vocabulary_size": VOCABULARY, "feature_width": FEATURES, "width": WIDTH}
        return {**sizes, "embedding_size": 8, "filters": 8, "dropout_rate": 0.5, "feature_dropout_rate": 0.5}

    @pytest.fixture
    def rows(self) -> Rows:
        return item_rows()
