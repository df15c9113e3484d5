"""Every broadcast is destroyed: after a training none is left on the driver or the executors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyspark import Broadcast, SparkContext
from pyspark.sql import SparkSession

from bgmrec.runtime.broadcasts import broadcast_value
from bgmrec.train.learn import learn, served_factors
from tests.spark.small_run import make_run, random_ratings

PACKAGE = Path(__file__).parents[2] / "bgmrec"


class Broadcasts:
    """Counts broadcasts that were sent, and holds those that were not destroyed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.sent, self.live = 0, set[int]()
        send, destroy = SparkContext.broadcast, Broadcast.destroy

        def counted_send(context: SparkContext, value: object) -> Broadcast:
            sent = send(context, value)
            self.sent += 1
            self.live.add(id(sent._jbroadcast))
            return sent

        def counted_destroy(sent: Broadcast, blocking: bool = False) -> None:
            self.live.discard(id(sent._jbroadcast))
            destroy(sent, blocking)

        monkeypatch.setattr(SparkContext, "broadcast", counted_send)
        monkeypatch.setattr(Broadcast, "destroy", counted_destroy)


def test_a_training_leaves_no_broadcasts(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rounds with both encoders, validation and calibration, then draws: rounds 2 × 2 half steps, 2 × 2 × 2
    encodings, 2 validations; draws 4 × 2 tables; the same once more for the served model."""
    calibrated = {"fit": {"held_out_share": 0.3}}
    sampled = {"draws": 2, "burn_in": 1, "user_groups": [["age"]], "item_groups": [["genre", "svd:ratings"]]}
    run = make_run(spark, tmp_path, random_ratings(), user_encoder=calibrated, item_encoder=calibrated, bayes=sampled)
    broadcasts = Broadcasts(monkeypatch)
    served_factors(run, learn(run))
    assert broadcasts.sent > 30
    assert not broadcasts.live


def test_a_training_that_fails_leaves_no_broadcasts(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(spark, tmp_path, random_ratings())
    broadcasts = Broadcasts(monkeypatch)
    monkeypatch.setattr("bgmrec.train.refit.pack_factors", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        learn(run)
    assert broadcasts.sent > 2
    assert not broadcasts.live


def test_a_broadcast_value_is_destroyed_after_an_error(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    broadcasts = Broadcasts(monkeypatch)
    with pytest.raises(KeyError), broadcast_value(spark, b"weights") as sent:
        assert sent.value == b"weights" and len(broadcasts.live) == 1
        raise KeyError
    assert not broadcasts.live


def test_broadcasts_are_sent_in_one_place() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if re.search(r"[cC]ontext\.broadcast\(", path.read_text())]
    assert files == [PACKAGE / "runtime" / "broadcasts.py"]
