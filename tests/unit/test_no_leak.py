"""Held-out ratings reach the user encoder in a study that asks for it, and nowhere else."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bgmrec.config import Settings, load_settings
from bgmrec.errors import SettingsError
from bgmrec.stages import train
from tests.e2e.nights import CONFIG, PROJECT


def keys(settings: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in settings.items():
        yield f"{above}{name}"
        if isinstance(value, dict):
            yield from keys(value, f"{above}{name}.")


def test_no_setting_leaks() -> None:
    assert not [key for key in keys(Settings().model_dump()) if "leak" in key]


@pytest.mark.parametrize("key", ["leak", "user_encoder.leak", "train.leak", "user_encoder.seen"])
def test_settings_refuse_a_leak(key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        load_settings([], [f"{key}=true"])


@pytest.mark.parametrize("job", ["nightly", "train", "tune"])
def test_only_a_study_has_the_option(job: str) -> None:
    command = [sys.executable, f"jobs/{job}.py", *CONFIG, "--ds", "2025-01-06", "--leak"]
    command += ["--trials", "1", "--out", "best.toml"] if job == "tune" else []
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "unrecognized arguments: --leak" in done.stderr


def test_the_stage_of_the_night_gives_the_encoder_nothing_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspect.signature(train.learn).parameters["leaked"].default is None
    told: list[Any] = []
    monkeypatch.setattr(train, "learn", lambda *given, **named: told.append((given, named)) or train_ended())
    run = SimpleNamespace(run_id="2025-03-14-001", models=SimpleNamespace(has=lambda run_id: False))
    with pytest.raises(Ended):
        train.stage(run)
    assert told == [((run,), {})]


class Ended(Exception):
    """The stage has called what the test looks at."""


def train_ended() -> None:
    raise Ended
