"""The fingerprint of each stage covers the settings that it and the stages before read."""

from __future__ import annotations

import pytest

from bgmrec.config import Settings, load_settings
from bgmrec.run.fingerprint import READ_BY_STAGE, STAGES, stage_fingerprint


def test_the_table_names_settings_that_exist() -> None:
    for entry in (entry for entries in READ_BY_STAGE.values() for entry in entries):
        section, _, name = entry.partition(".")
        field = Settings.model_fields[section]
        assert not name or name in field.annotation.model_fields, entry


def test_a_longer_list_repeats_the_lists_alone() -> None:
    settings, longer = load_settings([]), load_settings([], ["recommend.n=30"])
    same = [stage_fingerprint(settings, stage) == stage_fingerprint(longer, stage) for stage in STAGES]
    assert same == [True] * 5 + [False]


@pytest.mark.parametrize("stage", STAGES)
def test_a_fingerprint_covers_the_stages_before(stage: str) -> None:
    changed = load_settings([], ["split.valid_days=3"])  # what the first stage reads
    assert stage_fingerprint(changed, stage) != stage_fingerprint(load_settings([]), stage)
