"""Settings are merged in order and refused before Spark starts, naming file, key, found and allowed."""

from pathlib import Path

import pytest

from bgmrec.config import Settings, load_settings
from bgmrec.errors import EXIT_SETTINGS, SettingsError

BASE = Path(__file__).parents[2] / "conf" / "base.toml"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_later_files_win_key_by_key_and_overrides_win_over_files(tmp_path: Path) -> None:
    first = write(tmp_path, "a.toml", "seed = 3\n[factorize]\nrank = 8\nbias = false\n")
    second = write(tmp_path, "b.toml", "[factorize]\nrank = 16\n")
    settings = load_settings([first, second], ["seed=5", "paths.root=/data/night"])
    assert (settings.seed, settings.factorize.rank, settings.factorize.bias) == (5, 16, False)
    assert settings.paths.root == "/data/night"


def test_base_file_states_the_defaults() -> None:
    stated = load_settings([BASE]).model_dump()
    defaults = Settings().model_dump()
    stated["spark"].pop("conf"), defaults["spark"].pop("conf")
    assert stated == defaults


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ("[factorize]\nrnk = 3\n", "factorize.rnk", "rank"),
        ("[factorize]\nrank = 'many'\n", "factorize.rank", "integer"),
        ("[factorize]\nrank = 0\n", "factorize.rank", "greater than or equal to 1"),
        ("[factorize]\nmode = 'both'\n", "factorize.mode", "'explicit' or 'implicit'"),
        ("[train]\npatience = -1\n", "train.patience", "greater than or equal to 1"),
        ("[unknown]\n", "unknown", "factorize"),
        ("[[items.fields]]\nname = 'x y'\ntype = 'string'\n", "items.fields.0.name", "pattern"),
    ],
)
def test_impossible_settings_are_refused_by_name(tmp_path: Path, text: str, key: str, allowed: str) -> None:
    path = write(tmp_path, "bad.toml", text)
    with pytest.raises(SettingsError) as caught:
        load_settings([BASE, path])
    assert key in caught.value.message
    assert caught.value.where == str(path)
    assert allowed in caught.value.expected
    assert caught.value.exit_status == EXIT_SETTINGS


def test_a_bad_override_is_blamed_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings([BASE], ["factorize.rank=none"])
    assert caught.value.where == "--set"


@pytest.mark.parametrize("override", ["rank", "=3"])
def test_an_override_without_key_and_value_is_refused(override: str) -> None:
    with pytest.raises(SettingsError, match="key=value"):
        load_settings([], [override])


def test_a_missing_and_a_broken_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as missing:
        load_settings([tmp_path / "none.toml"])
    assert "none.toml" in missing.value.where
    broken = write(tmp_path, "broken.toml", "rank =\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings([broken])


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (["user_encoder.center_ratings=false"], "needs user_encoder.prediction_weight = 0"),
        (["factorize.cg_steps=3"], "needs mode = implicit"),
        (["bayes.item_groups=[['prior:encoder']]", "item_encoder.kind=none"], "but item_encoder.kind is none"),
        (["bayes.user_groups=[['prior:encoder']]", "user_encoder.kind=none"], "but user_encoder.kind is none"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(overrides: list[str], what: str) -> None:
    with pytest.raises(SettingsError, match="several sections") as caught:
        load_settings([BASE], overrides)
    assert what in caught.value.expected


def test_a_feature_of_no_field_is_refused_before_spark_starts(tmp_path: Path) -> None:
    text = "[items]\nfields = [{ name = 'genre', type = 'string' }]\n[item_features.document]\nfields = ['plot']\n"
    path = write(tmp_path, "features.toml", text)
    with pytest.raises(SettingsError, match="several sections") as caught:
        load_settings([path])
    assert caught.value.where == str(path)
    assert "['plot'], but the fields of [items] are genre" in caught.value.expected
