"""Settings become constructor arguments of networks and hyper-parameters of fits."""

from __future__ import annotations

import pytest

from bgmrec.config.model import FeedSettings, FitSettings, ItemEncoderSettings, UserEncoderSettings
from bgmrec.encoders.losses import LossWeights
from bgmrec.encoders.numbers import DECAYS, asdae_loss, asdae_numbers, fit_numbers, text_cnn_numbers
from bgmrec.encoders.state import initial_state


def test_every_setting_of_an_encoder_reaches_its_network():
    sizes = {"n_items": 5, "feature_width": 3, "width": 4, "bias": True, "explicit": True}
    numbers = asdae_numbers(UserEncoderSettings(), **sizes)
    state = initial_state("asdae", numbers, 1)
    assert state.weights["rating_input.presence"].shape == (5, 64) and "item_factors.vectors" in state.weights
    implicit = asdae_numbers(UserEncoderSettings(), **{**sizes, "explicit": False})
    assert "item_factors.vectors" not in initial_state("asdae", implicit, 1).weights
    items = text_cnn_numbers(ItemEncoderSettings(filters=7), vocabulary_size=9, feature_width=3, width=4)
    assert initial_state("text_cnn", items, 1).weights["convolutions.0.weight"].shape == (7, 32, 3)
    # a setting that is nobody's business would be a lie to the reader
    known = set(UserEncoderSettings.model_fields) - {"kind", "fit", "linear", "reconstruction_weight"}
    of_loss, of_inputs = {"latent_weight", "prediction_weight", "rating_loss_weight"}, {"center_ratings"}
    assert known - set(numbers) == of_loss | of_inputs
    assert set(ItemEncoderSettings.model_fields) - set(items) == {"kind", "fit", "linear", "word_vectors"}


def test_alpha_shares_the_reconstruction_out():
    loss = asdae_loss(UserEncoderSettings(reconstruction_weight=0.5, rating_loss_weight=0.2, latent_weight=3))
    assert (loss.latent, loss.ratings, loss.features) == pytest.approx((3, 0.1, 0.4))


def test_the_first_fit_has_its_own_epochs_and_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    settings, loss = FitSettings(first_epochs=7, epochs=2, batch_size=9), LossWeights()
    first = fit_numbers(settings, FeedSettings(), loss, DECAYS["asdae"], first=True)
    assert (first.epochs, first.batch_size, first.threads) == (7, 9, 4)
    assert fit_numbers(settings, FeedSettings(processes=2), loss, DECAYS["asdae"], first=False).threads == 2
    assert fit_numbers(settings, FeedSettings(processes=2), loss, DECAYS["asdae"], first=False).epochs == 2
    assert fit_numbers(settings, FeedSettings(processes=9, threads=3), loss, DECAYS["asdae"], first=True).threads == 3
    assert fit_numbers(settings, FeedSettings(processes=2, local=False), loss, DECAYS["asdae"], first=True).threads == 1
