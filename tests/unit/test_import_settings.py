"""The import settings of the public data sets load, and side information mistakes are refused before Spark starts."""

from pathlib import Path

import pytest

from bgmrec.config import Settings, load_settings

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.mark.parametrize("name", ["kuairand", "ml-1m"])
def test_import_settings_load_and_every_feature_has_its_field(name):
    settings = load_settings([CONF / f"{name}.toml"])
    for entity, features in ((settings.users, settings.user_features), (settings.items, settings.item_features)):
        fields = {field.name for field in entity.fields}
        assert {feature.field for feature in features.features} <= fields
        assert set(features.document.fields) <= fields
    assert settings.ratings.sources


def test_a_source_that_maps_a_field_nobody_declared_is_refused():
    source = {"name": "crawl", "format": "jsonl", "paths": ["x"], "id": "id", "fields": {"genre": "g"}}
    with pytest.raises(ValueError, match=r"expected names of items\.fields: title, found genre"):
        Settings(items={"sources": [source], "fields": [{"name": "title", "type": "text"}]})


def test_a_field_named_twice_is_refused():
    with pytest.raises(ValueError, match=r"title at items\.fields\.0\.name and at items\.fields\.1\.name"):
        Settings(items={"fields": [{"name": "title", "type": "text"}, {"name": "title", "type": "string"}]})
