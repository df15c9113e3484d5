"""Checks the search space of jobs/tune.py before Spark starts, and writes the settings file with the best values.

Values are kept as TOML text, as after `--set key=`: lists can be choices, and the settings of a trial, the settings
file and the storage agree to the last digit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

from bgmrec.config import Settings, load_settings
from bgmrec.config.load import origin_of
from bgmrec.config.tune import SearchKey
from bgmrec.errors import SettingsError
from bgmrec.study.shipped_space import shipped_space

# sections that training reads after the features are built; others need earlier stages again, or change the evaluation
SECTIONS = ("bayes", "factorize", "item_encoder", "train", "trend", "user_encoder")
MODE = "factorize.mode"
OBJECTIVE = ("train.metric", "train.metric_k")  # values of different metrics cannot be compared


def toml_text(value: Any) -> str:
    """A number, boolean, string or list as TOML, which for these types equals JSON.

    Args:
        value: of a setting.
    """
    return json.dumps(value, ensure_ascii=False)


def overrides_of(values: Mapping[str, str]) -> list[str]:
    """The values as arguments of `--set`.

    Args:
        values: key → TOML text.
    """
    return [f"{key}={text}" for key, text in values.items()]


def checked_space(files: Sequence[str | Path], overrides: Sequence[str]) -> Settings:
    """Loads the settings and checks that they accept every value of `tune.space`; an empty one is `shipped_space`.

    Both ends of every range and every choice are tried, alone and with those of each other key.

    Args:
        files: settings files.
        overrides: `key=value` texts that win over the files.

    Raises:
        SettingsError: the settings are invalid, or refuse one of the values.
    """
    settings = load_settings(files, overrides)
    if not settings.tune.space:
        tune = settings.tune.model_copy(update={"space": shipped_space(settings)})
        settings = settings.model_copy(update={"tune": tune})
    space, where = settings.tune.space, origin_of("tune.space", files, overrides)
    for search_key in space:
        _check_section(search_key.key, where)
    if settings.train.metric is None and any(search_key.key == MODE for search_key in space):
        raise SettingsError(
            f"tune.space cannot vary {MODE}, which chooses the metric",
            where=where,
            expected="train.metric set to a metric that all modes have: ndcg",
            found="train.metric is not set",
            hint='set train.metric = "ndcg"',
        )
    for keys in chain(combinations(space, 1), combinations(space, 2)):
        for values in _extreme_values(keys):
            _try(files, overrides, values, where)
    return settings


def _check_section(key: str, where: str) -> None:
    if key.split(".")[0] in SECTIONS and key not in OBJECTIVE:
        return
    raise SettingsError(
        f"tune.space cannot vary {key}",
        where=where,
        expected=f"a key in one of the sections {', '.join(SECTIONS)}, without {' and '.join(OBJECTIVE)}",
        found=key,
        hint="all trials share ratings, split, features and metric: set this key in a settings file instead",
    )


def _extreme_values(keys: Sequence[SearchKey]) -> Iterator[dict[str, str]]:
    """Every combination of the ends of ranges and of choices: key → TOML text."""
    names = [search_key.key for search_key in keys]
    for texts in product(*(_extremes(search_key) for search_key in keys)):
        yield dict(zip(names, texts, strict=True))


def _extremes(search_key: SearchKey) -> list[str]:
    if search_key.kind == "categorical":
        return [toml_text(choice) for choice in search_key.choices]
    ends = [end for end in (search_key.low, search_key.high) if end is not None]
    return [toml_text(int(end) if search_key.kind == "int" else end) for end in ends]


def _try(files: Sequence[str | Path], overrides: Sequence[str], values: Mapping[str, str], where: str) -> None:
    sets = overrides_of(values)
    try:
        load_settings(files, [*overrides, *sets])
    except SettingsError as error:
        raise SettingsError(
            f"the settings refuse {' with '.join(sets)} from tune.space: {error.message}",
            where=where,
            expected=error.expected,
            found=error.found or ", ".join(sets),
            hint="narrow the range or the choices; conf/README.md gives the bounds of every key",
        ) from None


def overlay(values: Mapping[str, str], heading: str) -> str:
    """The text of a settings file with these values.

    Args:
        values: key → TOML text.
        heading: the comment at the top.
    """
    sections: dict[str, list[str]] = {}
    for key, text in values.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, []).append(f"{name} = {text}")
    blocks = ["\n".join([f"[{section}]", *lines]) for section, lines in sections.items()]
    return "\n\n".join(["\n".join(f"# {line}" for line in heading.splitlines()), *blocks]) + "\n"
