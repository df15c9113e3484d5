"""A search space that the settings accept, checked before Spark starts, and the overlay with the best settings.

A value travels as TOML text, as after `--set key=`: so lists can be choices too, and a trial's settings, the overlay
and the storage agree to the last digit.
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

# what learning reads after the features are made; other sections need earlier stages anew, or judge otherwise
SEARCHED = ("bayes", "factorize", "item_encoder", "train", "trend", "user_encoder")
OBJECTIVE = ("train.metric", "train.metric_k")  # values of different metrics cannot be compared


def toml_text(value: Any) -> str:
    """A number, truth value, string or list of them as TOML, which for these is JSON."""
    return json.dumps(value, ensure_ascii=False)


def overrides_of(values: Mapping[str, str]) -> list[str]:
    """Key → TOML text as `--set` takes them."""
    return [f"{key}={text}" for key, text in values.items()]


def checked_space(files: Sequence[str | Path], overrides: Sequence[str]) -> Settings:
    """The settings, whose `tune.space` holds only what they would accept.

    Every end of every range and every choice is tried, alone and with those of each other key.

    Raises:
        SettingsError: the settings are impossible, nothing is searched, or a trial would be refused.
    """
    settings = load_settings(files, overrides)
    space, where = settings.tune.space, origin_of("tune.space", files, overrides)
    if not space:
        raise SettingsError(
            "tune.space is empty",
            where=where,
            expected='a list like [{ key = "factorize.user_reg", kind = "float", low = 1.0, high = 30.0, log = true }]',
            found="nothing to search",
            hint="state tune.space in a settings file; conf/base.toml documents it",
        )
    for one in space:
        _refuse_outside(one.key, where)
    for chosen in chain(combinations(space, 1), combinations(space, 2)):
        for values in _corners(chosen):
            _try(files, overrides, values, where)
    return settings


def _refuse_outside(key: str, where: str) -> None:
    if key.split(".")[0] in SEARCHED and key not in OBJECTIVE:
        return
    raise SettingsError(
        f"tune.space cannot vary {key}",
        where=where,
        expected=f"a key of {', '.join(SEARCHED)}, without {' and '.join(OBJECTIVE)}",
        found=key,
        hint="trials share ratings, split and features and are compared by one metric: set this key by --config",
    )


def _corners(chosen: Sequence[SearchKey]) -> Iterator[dict[str, str]]:
    keys = [one.key for one in chosen]
    for texts in product(*(_ends(one) for one in chosen)):
        yield dict(zip(keys, texts, strict=True))


def _ends(one: SearchKey) -> list[str]:
    if one.kind == "categorical":
        return [toml_text(choice) for choice in one.choices]
    ends = [end for end in (one.low, one.high) if end is not None]
    return [toml_text(int(end) if one.kind == "int" else end) for end in ends]


def _try(files: Sequence[str | Path], overrides: Sequence[str], values: Mapping[str, str], where: str) -> None:
    sets = overrides_of(values)
    try:
        load_settings(files, [*overrides, *sets])
    except SettingsError as error:
        raise SettingsError(
            f"tune.space holds {' with '.join(sets)}: {error.message}",
            where=where,
            expected=error.expected,
            found=error.found or ", ".join(sets),
            hint="narrow the range or the choices; every key is documented in conf/base.toml",
        ) from None


def overlay(values: Mapping[str, str], heading: str) -> str:
    """A settings file with these values.

    Args:
        values: key → TOML text.
        heading: what the values are, as the comment at the top.
    """
    sections: dict[str, list[str]] = {}
    for key, text in values.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, []).append(f"{name} = {text}")
    blocks = ["\n".join([f"[{section}]", *lines]) for section, lines in sections.items()]
    return "\n\n".join(["\n".join(f"# {line}" for line in heading.splitlines()), *blocks]) + "\n"
