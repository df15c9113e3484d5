"""A wrong search space is refused before Spark starts, with file, key and bounds; the result is a settings file."""

from pathlib import Path

import pytest

from bgmrec.config import load_settings
from bgmrec.errors import SettingsError
from bgmrec.run.state import fingerprint
from bgmrec.study.search_space import checked_space, overlay, toml_text
from bgmrec.study.shipped_space import shipped_space
from bgmrec.study.tune_trials import configured

ROOT = Path(__file__).resolve().parents[2]


def space(folder: Path, *keys: str) -> Path:
    path = folder / "space.toml"
    path.write_text(f"[tune]\nspace = [{', '.join(keys)}]\n", encoding="utf-8")
    return path


def test_a_space_that_the_settings_accept_is_read(tmp_path: Path) -> None:
    path = space(
        tmp_path,
        '{ key = "factorize.user_reg", kind = "float", low = 1.0, high = 30.0, log = true }',
        '{ key = "factorize.rank", kind = "int", low = 2, high = 64 }',
        '{ key = "user_encoder.hidden", kind = "categorical", choices = [[64], [128, 64]] }',
    )
    keys = [one.key for one in checked_space([path], []).tune.space]
    assert keys == ["factorize.user_reg", "factorize.rank", "user_encoder.hidden"]


@pytest.mark.parametrize(
    ("key", "message", "allowed"),
    [
        ('{ key = "factorize.user_rag", kind = "float", low = 1, high = 2 }', "factorize.user_rag", "user_reg"),
        ('{ key = "factorize.rank", kind = "int", low = 0, high = 8 }', "factorize.rank=0", "from 1 to 512"),
        ('{ key = "factorize.rank", kind = "int", low = 8, high = 900 }', "factorize.rank=900", "from 1 to 512"),
        ('{ key = "item_encoder.kind", kind = "categorical", choices = ["cnn"] }', "item_encoder.kind", '"text_cnn"'),
        ('{ key = "split.valid_share", kind = "float", low = 0.1, high = 0.2 }', "split.valid_share", "factorize"),
        ('{ key = "train.metric", kind = "categorical", choices = ["rmse"] }', "train.metric", "without train.metric"),
        ('{ key = "factorize.rank", kind = "int", low = 8, high = 4 }', "tune.space.0", "larger high"),
        ('{ key = "factorize.user_reg", kind = "float", low = 0, high = 4, log = true }', "tune.space.0", "above 0"),
    ],
)
def test_a_space_that_the_settings_refuse_is_named(tmp_path: Path, key: str, message: str, allowed: str) -> None:
    path = space(tmp_path, key)
    with pytest.raises(SettingsError) as caught:
        checked_space([path], [])
    assert message in caught.value.message
    assert allowed in caught.value.expected
    assert caught.value.where.startswith(str(path))
    assert caught.value.found


def test_values_that_are_impossible_together_are_refused(tmp_path: Path) -> None:
    path = space(
        tmp_path,
        '{ key = "bayes.draws", kind = "int", low = 0, high = 5 }',
        '{ key = "factorize.bias", kind = "categorical", choices = [true, false] }',
    )
    with pytest.raises(SettingsError, match="impossible together") as caught:
        checked_space([path], [])
    assert caught.value.found == "draws = 5, mode = explicit, bias = false"


def test_the_mode_is_varied_only_with_one_metric(tmp_path: Path) -> None:
    path = space(tmp_path, '{ key = "factorize.mode", kind = "categorical", choices = ["explicit", "implicit"] }')
    with pytest.raises(SettingsError, match="chooses the metric"):
        checked_space([path], [])
    with pytest.raises(SettingsError, match=r"refuse factorize\.mode"):
        checked_space([path], ["train.metric=rmse"])
    assert checked_space([path], ["train.metric=ndcg"]).validation_metric == "ndcg"


@pytest.mark.parametrize("name", ["base", "demo", "demo-ratings", "kuairand", "ml-1m"])
def test_an_empty_space_is_the_shipped_one(name: str) -> None:
    files = [ROOT / "conf/base.toml", *([] if name == "base" else [ROOT / f"conf/{name}.toml"])]
    settings = checked_space(files, ["tune.space=[]"])
    keys = {search_key.key for search_key in settings.tune.space}
    implicit = settings.factorize.mode == "implicit"
    assert {"factorize.rank", "factorize.user_reg", "factorize.item_reg"} <= keys
    assert ("factorize.unobserved_weight" in keys) == implicit
    assert ("factorize.user_bias_reg" in keys) == (not implicit)
    for side in ("user_encoder", "item_encoder"):
        assert (f"{side}.kind" in keys) == (getattr(settings, side).kind != "none")


def test_the_shipped_space_leaves_the_encoders_of_a_sampler_alone() -> None:
    files = [ROOT / "conf/base.toml", ROOT / "conf/ml-1m.toml", ROOT / "conf/ml-1m/bayes.toml"]
    assert not [key.key for key in shipped_space(load_settings(files)) if "encoder" in key.key]


def test_the_first_trial_has_the_configured_values_that_the_space_holds(tmp_path: Path) -> None:
    path = space(
        tmp_path,
        '{ key = "factorize.user_reg", kind = "float", low = 1.0, high = 30.0, log = true }',
        '{ key = "factorize.item_reg", kind = "float", low = 20.0, high = 30.0 }',
        '{ key = "factorize.rank", kind = "categorical", choices = [16, 32] }',
        '{ key = "user_encoder.hidden", kind = "categorical", choices = [[8], [128, 64]] }',
    )
    assert configured(checked_space([path], [])) == {"factorize.user_reg": 10.0, "factorize.rank": "32"}


def test_the_settings_file_equals_the_settings_of_the_trial(tmp_path: Path) -> None:
    values = {"factorize.user_reg": 1e-05, "factorize.bias": False, "user_encoder.hidden": [9, 3], "train.rounds": 4}
    values |= {"user_encoder.fit.learning_rate": 0.1 + 0.2, "item_encoder.word_vectors": 'a "b" ü'}
    texts = {key: toml_text(value) for key, value in values.items()}
    path = tmp_path / "best.toml"
    path.write_text(overlay(texts, "first\nsecond"), encoding="utf-8")
    expected = load_settings([], [f"{key}={text}" for key, text in texts.items()])
    assert load_settings([path]) == expected
    assert expected.user_encoder.fit.learning_rate == 0.1 + 0.2


def test_the_search_space_does_not_change_the_fingerprint_of_a_run(tmp_path: Path) -> None:
    path = space(tmp_path, '{ key = "factorize.rank", kind = "int", low = 2, high = 4 }')
    assert fingerprint(load_settings([path])) == fingerprint(load_settings([]))
