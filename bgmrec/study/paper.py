"""The experiments of the paper's last section as trials of the protocols random and cold, and their page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from bgmrec.config import Settings
from bgmrec.config.study import PaperSettings
from bgmrec.errors import SettingsError
from bgmrec.report.page.study_names import BOTH, RANK, REGULARISATION, VARIANTS
from bgmrec.study.trial import Trial

PAPER = "paper"
_RANDOM, _COLD = "random", "cold"  # protocols
_MAP = ("bayes.draws=0", "bayes.user_groups=[]", "bayes.item_groups=[]")
_NO_USER, _NO_ITEM = "user_encoder.kind=none", "item_encoder.kind=none"
_OVERRIDES = {
    "pmf": (*_MAP, _NO_USER, _NO_ITEM, "factorize.bias=false"),
    "biased": (*_MAP, _NO_USER, _NO_ITEM, "factorize.bias=true"),
    "asdae": (*_MAP, _NO_ITEM),
    "cnn": (*_MAP, _NO_USER),
    BOTH: _MAP,
}


def paper_trials(settings: PaperSettings, seeds: Sequence[int], part: str) -> Iterator[Trial]:
    """All trials: by training fraction, rank, regularisation and side information, then cold items and users.

    Args:
        settings: `[study.paper]`.
        seeds: of every trial.
        part: valid or test.
    """
    names = {fraction: list[str](settings.models) for fraction in settings.fractions}
    names.setdefault(settings.fraction, [])
    names[settings.fraction] += [f"{RANK}{rank}" for rank in settings.ranks]
    names[settings.fraction] += [f"{REGULARISATION}{factor:g}" for factor in settings.regularisations]
    if settings.side_information and BOTH not in names[settings.fraction]:
        names[settings.fraction].append(BOTH)  # the model with real side information, for comparison
    for fraction, models in names.items():
        for model, seed in product(models, seeds):
            yield Trial(_RANDOM, model, fraction, seed, part, "real", False)
    for kind, seed in product(settings.side_information, seeds):
        yield Trial(_RANDOM, BOTH, settings.fraction, seed, part, kind, False)
    for model, seed in product(settings.models, seeds):
        yield Trial(_COLD, model, None, seed, part, "real", False)


def is_of_paper(trial: Trial) -> bool:
    """Whether the model is one of the paper's; models of a data set may have the same names.

    Args:
        trial: what is measured.
    """
    has_paper_name = trial.model in VARIANTS or trial.model.startswith((RANK, REGULARISATION))
    return has_paper_name and trial.protocol in (_RANDOM, _COLD)


def paper_overrides(model: str, settings: Settings) -> list[str]:
    """The `key=value` texts that turn the configured settings into one of the paper's models.

    Args:
        model: its name.
        settings: as configured.

    Raises:
        SettingsError: the settings do not predict ratings.
    """
    factorize = settings.factorize
    if factorize.mode != "explicit":
        raise SettingsError(
            "the paper's experiments predict ratings",
            where="factorize.mode",
            expected="explicit",
            found=factorize.mode,
            hint="use settings that read ratings, as conf/demo-ratings.toml does",
        )
    if model == "bayes":
        return _sampled(settings)
    if model.startswith(RANK):
        return [*_MAP, f"factorize.rank={model.removeprefix(RANK)}"]
    if model.startswith(REGULARISATION):
        factor = float(model.removeprefix(REGULARISATION))
        user_reg, item_reg = factorize.user_reg * factor, factorize.item_reg * factor
        return [*_MAP, f"factorize.user_reg={user_reg}", f"factorize.item_reg={item_reg}"]
    return list(_OVERRIDES[model])


def _sampled(settings: Settings) -> list[str]:
    """Both encoders and the sampler; a side without groups gets prior means that are linear in its encoder's."""
    paper, bayes = settings.study.paper, settings.bayes
    overrides = ["factorize.bias=true", f"bayes.draws={paper.draws}", f"bayes.burn_in={paper.burn_in}"]
    sides = (("user", settings.user_encoder, bayes.user_groups), ("item", settings.item_encoder, bayes.item_groups))
    for side, encoder, groups in sides:
        if not groups and encoder.kind != "none":
            overrides.append(f"bayes.{side}_groups=[['prior:encoder']]")
    return overrides


def write_report(path: Path, results: Sequence[dict[str, Any]]) -> Path:
    """Writes the page, and its figures into a folder of the same name; returns the path of the page.

    Args:
        path: of the HTML page.
        results: JSON lines of the study.

    Raises:
        SettingsError: the packages for figures are not installed.
    """
    from bgmrec.stages.report import drawing_parts

    page, charts = drawing_parts()
    sections = charts.study_sections(results)
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for figure in charts.figures(sections):
        (folder / f"{figure.name}.svg").write_bytes(figure.pictures.svg)
        (folder / f"{figure.name}.png").write_bytes(figure.pictures.png)
    path.write_text(page.render_study(results, sections), encoding="utf-8")
    return path
