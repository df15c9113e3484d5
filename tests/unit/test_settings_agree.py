"""Settings that do not agree with each other are refused before Spark starts, with status 2 and every key named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bgmrec.config import load_settings, references
from bgmrec.config.base import Section
from bgmrec.config.combinations import OWN_COLUMNS
from bgmrec.config.metrics import CATALOGUE, RANKING, RATING
from bgmrec.config.schema import type_at
from bgmrec.errors import EXIT_SETTINGS, SettingsError
from bgmrec.evaluate.metrics import NAMES
from bgmrec.storage import columns as c

BASE = Path(__file__).parents[2] / "conf" / "base.toml"
FIELDS = """[{name="title",type="text"},{name="artist",type="string"},{name="tags",type="list"},
    {name="year",type="integer"},{name="sound",type="vector"}]"""
SOURCE = '{name="a",format="csv",paths=["a.csv"],id="id"}'
LOG = '{name="a",format="csv",paths=["a.csv"]}'


def refused(*overrides: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_settings([BASE], [f"items.fields={FIELDS}", f"users.fields={FIELDS}", *overrides])
    assert caught.value.exit_status == EXIT_SETTINGS
    assert caught.value.found and caught.value.expected and caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("override", "key", "declared_in"),
    [
        ('recommend.max_per_field="label"', "recommend.max_per_field", "items.fields"),
        ('frontier.item_fields=["title","label"]', "frontier.item_fields", "items.fields"),
        ('frontier.user_fields=["label"]', "frontier.user_fields", "users.fields"),
        ('study.genre_field="label"', "study.genre_field", "items.fields"),
        ('report.title_field="label"', "report.title_field", "items.fields"),
        ('report.label_fields=["label"]', "report.label_fields", "items.fields"),
        ('report.group_field="label"', "report.group_field", "items.fields"),
        ('report.user_slices=["label"]', "report.user_slices", "users.fields"),
        ('report.item_slices=["title","label"]', "report.item_slices", "items.fields"),
        ('item_features.document.fields=["label"]', "item_features.document.fields", "items.fields"),
        ('user_features.document.fields=["label"]', "user_features.document.fields", "users.fields"),
        ('item_features.features=[{field="label",kind="one_hot"}]', "item_features.features.0.field", "items.fields"),
        ('user_features.features=[{field="label",kind="one_hot"}]', "user_features.features.0.field", "users.fields"),
        ('bayes.user_groups=[["label"]]', "bayes.user_groups", "user_features.features"),
        ('bayes.item_groups=[["label"]]', "bayes.item_groups", "item_features.features"),
        ('user_encoder.linear={groups=[["label"]],ridges=[1.0]}', "user_encoder.linear.groups", "user_features"),
        ('item_encoder.linear={groups=[["label"]],ridges=[1.0]}', "item_encoder.linear.groups", "item_features"),
        (f'items.sources=[{SOURCE[:-1]},fields={{label="x"}}}}]', "items.sources.0.fields", "items.fields"),
        (f'users.sources=[{SOURCE[:-1]},fields={{label="x"}}}}]', "users.sources.0.fields", "users.fields"),
        ('publish.gate.baseline="als"', "publish.gate.baseline", "evaluate.baselines"),
    ],
)
def test_a_name_that_nothing_declares_is_refused(override: str, key: str, declared_in: str) -> None:
    error = refused(override)
    assert f"impossible together: {key}, {declared_in}" in error.message
    assert error.found == ("als" if "baseline" in key else "label")


@pytest.mark.parametrize(
    ("override", "keys"),
    [
        (f"ratings.sources=[{LOG},{LOG}]", ["ratings.sources.0.name", "ratings.sources.1.name"]),
        (f"items.sources=[{SOURCE},{SOURCE}]", ["items.sources.0.name", "items.sources.1.name"]),
        (f"users.sources=[{SOURCE},{SOURCE}]", ["users.sources.0.name", "users.sources.1.name"]),
        (
            "ratings.sources=[{name='a',format='csv',paths=['a'],joins=["
            "{name='j',format='csv',paths=['b'],on=['x'],select=['y']},"
            "{name='j',format='csv',paths=['c'],on=['x'],select=['z']}]}]",
            ["ratings.sources.0.joins.0.name", "ratings.sources.0.joins.1.name"],
        ),
        ("ratings.sources=[{name='a',format='csv',paths=['a','a']}]", ["ratings.sources.0.paths"]),
        ("ratings.sources=[{name='a',format='csv',paths=['a'],columns=['x','x']}]", ["ratings.sources.0.columns"]),
        ("recommend.allow={format='csv',paths=['a','a']}", ["recommend.allow.paths"]),
        (
            'items.fields=[{name="a",type="text"},{name="a",type="list"}]',
            ["items.fields.0.name", "items.fields.1.name"],
        ),
        ('users.fields=[{name="Age",type="text"},{name="age",type="list"}]', ["users.fields.0.name"]),
        ("evaluate.ks=[10,20,10]", ["evaluate.ks"]),
        ("evaluate.baselines=['bias','bias']", ["evaluate.baselines"]),
        ("publish.tables=['similar_items','similar_items']", ["publish.tables"]),
        ("report.label_fields=['title','title']", ["report.label_fields"]),
        ("report.item_slices=['year','year']", ["report.item_slices"]),
        ("item_features.document.fields=['title','title']", ["item_features.document.fields"]),
        ("frontier.item_fields=['title','title']", ["frontier.item_fields"]),
        ("bayes.item_groups=[['svd:text'],['svd:text']]", ["bayes.item_groups"]),
        ("ratings.unknown_items=['0','0']", ["ratings.unknown_items"]),
        ("study.fractions=[0.8,0.8]", ["study.fractions"]),
        ("study.paper.ranks=[8,8]", ["study.paper.ranks"]),
        ("export.postgres.grant_to=['app','app']", ["export.postgres.grant_to"]),
        (
            "tune.space=[{key='train.rounds',kind='int',low=1,high=2},{key='train.rounds',kind='int',low=1,high=3}]",
            ["tune.space.0.key", "tune.space.1.key"],
        ),
    ],
)
def test_a_value_that_stands_twice_is_refused(override: str, keys: list[str]) -> None:
    error = refused(override)
    assert all(key in error.message for key in keys)
    assert "once" in error.expected


def test_a_close_name_is_proposed() -> None:
    assert "did you mean artist?" in refused("recommend.max_per_field=artis").hint
    assert "did you mean ndcg@10?" in refused("publish.gate.metric=ndgc@10").hint


def test_joins_of_two_sources_may_have_one_name() -> None:
    join = "joins=[{name='j',format='csv',paths=['b'],on=['x'],select=['y']}]"
    sources = ",".join(f"{{name='{name}',format='csv',paths=['a'],{join}}}" for name in "ab")
    assert load_settings([BASE], [f"ratings.sources=[{sources}]"]).ratings.sources[1].joins[0].name == "j"


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        (["ratings.minimum=6", "ratings.maximum=5"], ["ratings.minimum", "ratings.maximum"]),
        (["evaluate.clip=[5.0,1.0]"], ["evaluate.clip"]),
        (["evaluate.clip=[10.0,20.0]", "ratings.maximum=5"], ["evaluate.clip", "ratings.maximum"]),
        (["evaluate.clip=[0.0,1.0]", "ratings.minimum=2"], ["ratings.minimum", "evaluate.clip"]),
        (["evaluate.relevant_rating=4", "ratings.maximum=1"], ["evaluate.relevant_rating", "ratings.maximum"]),
        (["recommend.seen_rating=4", "ratings.maximum=1"], ["recommend.seen_rating", "ratings.maximum"]),
        (["study.liked_rating=4", "ratings.maximum=1"], ["study.liked_rating", "ratings.maximum"]),
        (
            ['items.fields=[{name="year",type="integer",minimum=2000,maximum=1900}]'],
            ["items.fields.0.minimum", "items.fields.0.maximum"],
        ),
        (
            ['users.fields=[{name="age",type="integer",minimum=90,maximum=10}]'],
            ["users.fields.0.minimum", "users.fields.0.maximum"],
        ),
        (["tune.space=[{key='train.rounds',kind='int',low=5,high=2}]"], ["tune.space.0"]),
    ],
)
def test_a_range_that_is_upside_down_is_refused(overrides: list[str], keys: list[str]) -> None:
    error = refused(*overrides)
    assert all(key in error.message for key in keys)


def test_a_range_of_one_value_is_possible() -> None:
    load_settings([BASE], ["ratings.minimum=1", "ratings.maximum=1", "evaluate.clip=[1,1]"])


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        (["factorize.mode=implicit", "train.metric=rmse"], ["train.metric", "factorize.mode"]),
        (["publish.gate.metric=ndgc@10"], ["publish.gate.metric"]),
        (["publish.gate.metric=ndcg@7"], ["publish.gate.metric", "evaluate.ks"]),
        (["publish.gate.metric=ndcg"], ["publish.gate.metric"]),
        (["publish.gate.metric=rmse", "factorize.mode=implicit"], ["publish.gate.metric", "factorize.mode"]),
        (['item_features.features=[{field="tags",kind="one_hot"}]'], ["item_features.features.0.kind", "items.fields"]),
        (['item_features.features=[{field="sound",kind="number"}]'], ["item_features.features.0.kind"]),
        (['user_features.features=[{field="year",kind="vector"}]'], ["user_features.features.0.kind", "users.fields"]),
        (
            ["ratings.sources=[{name='a',format='csv',paths=['a'],lookback_days=3}]"],
            ["ratings.sources.0.lookback_days", "ratings.sources.0.paths"],
        ),
        (["recommend.deny={format='csv',paths=['a'],lookback_days=3}"], ["recommend.deny.lookback_days"]),
        (
            ['items.fields=[{name="title",type="text",minimum=1}]'],
            ["items.fields.0.minimum", "items.fields.0.type"],
        ),
        (
            ["ratings.sources=[{name='a',format='csv',paths=['a'],options={Mode='FAILFAST'}}]"],
            ["ratings.sources.0.options"],
        ),
        (["recommend.allow={format='csv',paths=['a'],options={header='false'}}"], ["recommend.allow.options"]),
        (
            ["crawl.hosts=['a.example']", "crawl.private_hosts=['aa.example']"],
            ["crawl.private_hosts", "crawl.hosts"],
        ),
    ],
)
def test_settings_that_exclude_each_other_are_refused(overrides: list[str], keys: list[str]) -> None:
    error = refused(*overrides)
    assert all(key in error.message for key in keys)


@pytest.mark.parametrize(
    "override",
    [
        'paths.root=""',
        'paths.root="  "',
        'paths.data=""',
        'submit.environment=""',
        'monitor.job=""',
        'spark.master=""',
        'crawl.contact=" "',
        'item_encoder.word_vectors=""',
        'report.side_information=""',
        'export.redis.address=""',
        'crawl.start.urls=[""]',
        "ratings.sources=[{name='a',format='csv',paths=['']}]",
        "ratings.sources=[{name='a',format='csv',paths=['a'],user_id=''}]",
        "ratings.sources=[{name='a',format='csv',paths=['a'],where=' '}]",
        "ratings.sources=[{name='a',format='csv',paths=['a'],columns=['x','']}]",
        "ratings.sources=[{name='',format='csv',paths=['a']}]",
        'items.fields=[{name="a",type="text",expression=""}]',
        "items.sources=[{name='a',format='csv',paths=['a'],id='id',fields={title=''}}]",
    ],
)
def test_a_blank_text_is_refused(override: str) -> None:
    assert override.split("=")[0].rsplit(".", 1)[0] in refused(override).message


def test_a_separator_may_be_a_blank_and_is_never_empty() -> None:
    field = '{{name="a",type="list",separator="{}"}}'
    assert load_settings([BASE], [f"items.fields=[{field.format(' ')}]"]).items.fields[0].separator == " "
    assert "at least one character" in refused(f"items.fields=[{field.format('')}]").expected


@pytest.mark.parametrize("side", OWN_COLUMNS)
@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_a_field_with_the_name_of_bgmrecs_own_column_is_refused(side: str, spelling: Any) -> None:
    for column in OWN_COLUMNS[side]:
        error = refused(f'{side}.fields=[{{name="{spelling(column)}",type="string"}}]')
        assert f"{side}.fields.0.name" in error.message and error.found == spelling(column)


def test_a_field_with_a_leading_underscore_is_refused() -> None:
    assert "begins with a letter" in refused('items.fields=[{name="_present",type="string"}]').expected


def test_the_own_columns_are_those_of_the_tables() -> None:
    assert {"users": (c.USER_ID, c.USER_IDX, c.IDX), "items": (c.ITEM_ID, c.ITEM_IDX, c.IDX)} == OWN_COLUMNS


def test_the_metrics_that_settings_name_are_those_of_the_evaluation() -> None:
    assert {*RATING, *RANKING, *CATALOGUE} == set(NAMES)


def test_the_mode_chooses_the_metrics_that_are_not_set() -> None:
    chosen = {}
    for mode in ("explicit", "implicit"):
        settings = load_settings([BASE], [f"factorize.mode={mode}"])
        chosen[mode] = (settings.validation_metric, settings.gate_metric)
    assert chosen == {"explicit": ("rmse", "rmse"), "implicit": ("ndcg", "ndcg@10")}
    assert load_settings([BASE], ["train.metric=ndcg"]).validation_metric == "ndcg"


def test_every_table_of_references_names_settings_that_exist() -> None:
    paths = [path for one in references.REFERENCES for path in (one.key, one.declared)]
    paths += [f"{one.within}.{one.key}" for one in references.DISTINCT]
    paths += [f"{one.within}.{end}" for one in references.ORDERED for end in (one.low, one.high)]
    for path in paths:
        without_entry = re.sub(r"(\.[*\d])+$", "", path.lstrip("."))
        assert type_at(tuple(without_entry.replace("*", "0").split("."))), path


def sections(section: type[Section] = Section) -> set[type[Section]]:
    return {one for below in section.__subclasses__() for one in {below, *sections(below)}}


def test_every_setting_that_is_called_after_fields_refers_to_fields() -> None:
    used = {one.key.replace(".*", "").rsplit(".", 1)[-1] for one in references.REFERENCES}
    of_records = {"schema_fields", "json_fields", "deny_fields"}
    keys = {name for section in sections() for name in section.model_fields}
    assert {name for name in keys if name.endswith(("_field", "_fields", "_slices"))} - of_records <= used
