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
    settings = load_settings([first, second], ["seed=5", "paths.root=/data/bgm"])
    assert (settings.seed, settings.factorize.rank, settings.factorize.bias) == (5, 16, False)
    assert settings.paths.root == "/data/bgm"


def test_base_file_states_the_defaults() -> None:
    stated = load_settings([BASE]).model_dump()
    defaults = Settings().model_dump()
    stated["spark"].pop("conf"), defaults["spark"].pop("conf")
    assert stated == defaults


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("[factorize]\nrank = 'many'\n", "factorize.rank", "whole number from 1 to 512"),
        ("[factorize]\nrank = 0\n", "factorize.rank", "whole number from 1 to 512"),
        ("[factorize]\nmode = 'both'\n", "factorize.mode", '"explicit" or "implicit"'),
        ("[factorize]\nbias = 'perhaps'\n", "factorize.bias", "true or false"),
        ("[factorize]\nuser_reg = 0\n", "factorize.user_reg", "number above 0"),
        ("[train]\npatience = -1\n", "train.patience", "whole number of at least 1"),
        ("[feed]\nuse_gpu = 'perhaps'\n", "feed.use_gpu", 'true or false, or "auto"'),
        ("[publish.gate]\nmax_shrink_share = 2\n", "publish.gate.max_shrink_share", 'number from 0 to 1, or "off"'),
        ("[evaluate]\nclip = [1.0]\n", "evaluate.clip", "list of 2 numbers"),
        ("[evaluate]\nks = []\n", "evaluate.ks", "at least 1 entry"),
        ("[train]\nrounds = [3]\n", "train.rounds", "whole number"),
        ("factorize = 3\n", "factorize", "section"),
        ("[[items.fields]]\nname = 'x y'\ntype = 'string'\n", "items.fields.0.name", "letters, digits and underscores"),
        ("[[items.fields]]\nname = 'x'\n", "items.fields.0.type", '"string", "text"'),
        ("[world]\nfirst_day = 'monday'\n", "world.first_day", "date such as 2025-03-01"),
        ("[publish]\ntables = ['recommendations', 'lists']\n", "publish.tables.1", '"similar_items" or'),
        ("[publish]\nmode = '999'\n", "publish.mode", "three octal digits"),
    ],
)
def test_impossible_settings_are_refused_by_name(tmp_path: Path, text: str, key: str, expected: str) -> None:
    path = write(tmp_path, "bad.toml", text)
    with pytest.raises(SettingsError) as caught:
        load_settings([BASE, path])
    error = caught.value
    assert error.message == f"impossible setting {key}"
    assert error.where.startswith(f"{path}:")
    assert expected in error.expected
    assert "conf/README.md" in error.hint
    assert error.exit_status == EXIT_SETTINGS
    assert not any(jargon in str(error).lower() for jargon in ("value error", "input", "pydantic", "validat"))


@pytest.mark.parametrize(
    ("text", "key", "expected", "hint"),
    [
        ("[factorize]\nrnk = 3\n", "factorize.rnk", "mode, rank", "did you mean factorize.rank?"),
        ("[unknown]\n", "unknown", "factorize", "conf/README.md"),
        ("[train]\nuser_reg = 3.0\n", "train.user_reg", "patience", "did you mean factorize.user_reg?"),
        ("[factorise]\nrank = 3\n", "factorise", "factorize", "did you mean factorize?"),
        ("[user_encoder.fit]\nepoch = 3\n", "user_encoder.fit.epoch", "epochs", "mean user_encoder.fit.epochs?"),
        ("[[ratings.sources]]\nname='a'\nformat='csv'\npaths=['x']\nraiting='r'\n", "ratings.sources.0.raiting",
         "rating", "did you mean ratings.sources.0.rating?"),
    ],
)  # fmt: skip
def test_unknown_keys_get_a_suggestion(tmp_path: Path, text: str, key: str, expected: str, hint: str) -> None:
    path = write(tmp_path, "bad.toml", text)
    with pytest.raises(SettingsError) as caught:
        load_settings([BASE, path])
    assert caught.value.message == f"unknown setting {key}"
    assert caught.value.where.startswith(str(path))
    assert expected in caught.value.expected
    assert hint in caught.value.hint and "conf/README.md" in caught.value.hint


def test_the_line_is_named_where_it_can_be_found(tmp_path: Path) -> None:
    text = """# comment
seed = 3
[[ratings.sources]]
name = "a"
format = "csv"
paths = ["x"]
[[ratings.sources]]
name = "b"
format = "xml"
paths = [
    "x",
]
[items]
fields = [
    { name = "title", type = "text" },
    { name = "genre", type = "word" },
]
[users]
fields = [{ name = "age", type = "integer" },   # years
          { name = "sex", type = "letter" }]
[spark]
conf."spark.x" = 3
"""
    path = write(tmp_path, "lines.toml", text)
    with pytest.raises(SettingsError) as caught:
        load_settings([path])
    assert caught.value.where == f"{path}:22"
    assert caught.value.message == 'impossible setting spark.conf."spark.x"'
    assert f"ratings.sources.1.format ({path}:9)" in caught.value.hint
    assert f"items.fields.1.type ({path}:16)" in caught.value.hint
    assert f"users.fields.1.type ({path}:20)" in caught.value.hint


def test_a_bad_override_is_blamed_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings([BASE], ["factorize.rank=none"])
    assert caught.value.where == "--set factorize.rank"


@pytest.mark.parametrize("override", ["rank", "=3", "a..b=3", "a b=3", 'spark.conf."x=3', "[paths]\nroot=3", "a\nb=3"])
def test_an_override_without_key_and_value_is_refused(override: str) -> None:
    with pytest.raises(SettingsError, match="key=value"):
        load_settings([], [override])


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ('spark.conf."spark.driver.memory"=4g', "spark.driver.memory", "4g"),
        ("spark.conf.'spark.driver.memory' = \"4g\"", "spark.driver.memory", "4g"),
        ('spark.conf."a=b.c"=x=y', "a=b.c", "x=y"),
        ('submit.yarn.conf."spark.yarn.queue"=nightly', "spark.yarn.queue", "nightly"),
    ],
)
def test_an_override_can_name_a_key_with_dots(override: str, key: str, value: str) -> None:
    settings = load_settings([BASE], [override])
    conf = settings.spark.conf if override.startswith("spark") else settings.submit.yarn.conf
    assert conf[key] == value
    assert settings.spark.conf.get("spark.driver.memory", "4g") == "4g"


def test_a_name_with_dots_that_lacks_its_quotes_is_told_so() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings([BASE], ["spark.conf.spark.driver.memory=4g"])
    assert caught.value.expected == "string"
    assert 'spark.conf."spark.driver.memory"' in caught.value.hint


def test_a_missing_and_a_broken_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as missing:
        load_settings([tmp_path / "none.toml"])
    assert "none.toml" in missing.value.where
    broken = write(tmp_path, "broken.toml", "rank =\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings([broken])


@pytest.mark.parametrize(
    ("overrides", "keys", "expected"),
    [
        (
            ["user_encoder.center_ratings=false"],
            ["user_encoder.center_ratings", "user_encoder.prediction_weight"],
            "prediction_weight = 0",
        ),
        (["factorize.cg_steps=3"], ["factorize.cg_steps", "factorize.mode"], "only with mode = implicit"),
        (["trend.exponent=1"], ["trend.exponent", "factorize.mode"], "only with factorize.mode = implicit"),
        (["bayes.draws=3", "factorize.bias=false"], ["bayes.draws", "factorize.bias"], "bias = true"),
        (
            ["bayes.draws=3", "publish.tables=['recommendation_reasons']"],
            ["publish.tables", "bayes.draws"],
            "bayes.draws = 0",
        ),
        (
            ["bayes.item_groups=[['prior:encoder']]", "item_encoder.kind=none"],
            ["bayes.item_groups", "item_encoder.kind"],
            "item_encoder.kind is not none",
        ),
        (
            ["bayes.user_groups=[['prior:encoder']]", "user_encoder.kind=none"],
            ["bayes.user_groups", "user_encoder.kind"],
            "user_encoder.kind is not none",
        ),
        (
            ["bayes.user_groups=[['svd:text']]"],
            ["bayes.user_groups", "user_features.features"],
            "log:counts, prior:encoder, svd:ratings",
        ),
        (["report.title_field=title"], ["report.title_field", "items.fields"], "(none)"),
        (["user_encoder.linear.groups=[['log:counts']]"], ["user_encoder.linear.ridges"], "one ridge"),
        (["crawl.paging.css=a", "crawl.paging.json_token=t"], ["crawl.paging.json_token"], "both or neither"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(overrides: list[str], keys: list[str], expected: str) -> None:
    with pytest.raises(SettingsError, match="impossible together") as caught:
        load_settings([BASE], overrides)
    error = caught.value
    assert all(key in error.message for key in keys)
    assert expected in error.expected
    assert all((f"--set {key}" in error.where) == any(text.startswith(f"{key}=") for text in overrides) for key in keys)
    assert error.found and error.hint
    assert "conf/README.md" in error.hint
    assert "value error" not in str(error).lower()


def test_a_conflict_says_where_each_of_its_settings_comes_from(tmp_path: Path) -> None:
    path = write(tmp_path, "features.toml", "[trend]\nexponent = 0.5\n")
    with pytest.raises(SettingsError) as caught:
        load_settings([path])
    assert caught.value.where == f"trend.exponent: {path}:2; factorize.mode: default"


def test_a_feature_of_no_field_is_refused_before_spark_starts(tmp_path: Path) -> None:
    text = "[items]\nfields = [{ name = 'genre', type = 'string' }]\n[item_features.document]\nfields = ['plot']\n"
    path = write(tmp_path, "features.toml", text)
    with pytest.raises(SettingsError, match=r"item_features.document.fields, items.fields") as caught:
        load_settings([path])
    assert caught.value.where == f"item_features.document.fields: {path}:4; items.fields: {path}:2"
    assert caught.value.found == "plot" and "genre" in caught.value.expected
