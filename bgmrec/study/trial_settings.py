"""The settings of a trial: which files and overrides, in which order."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from bgmrec.config import Settings, load_settings
from bgmrec.errors import SettingsError
from bgmrec.study.paper import is_of_paper, paper_overrides
from bgmrec.study.protocols import PROTOCOLS
from bgmrec.study.trial import Trial

AS_CONFIGURED = "settings"  # name of the model that --config alone describes
FROM_RATINGS = ("svd:ratings", "log:counts", "prior:encoder")  # columns of [bayes] that need no side information
NO_SIDE_INFORMATION = ("user_features.features=[]", "item_features.features=[]", "item_features.document.fields=[]")
_SAME_RESULT = ("paths.", "spark.")  # sections whose settings do not change what is measured


def settings_files(trial: Trial, conf: Path) -> list[Path]:
    """The settings files below those of the command line, the most general first.

    Args:
        trial: what is measured.
        conf: folder with base.toml and the settings of the data sets.

    Raises:
        SettingsError: there is no settings file for the model.
    """
    data_set = PROTOCOLS[trial.protocol].data_set
    paths = [conf / "base.toml"] + ([conf / f"{data_set}.toml"] if data_set else [])
    if trial.model == AS_CONFIGURED or is_of_paper(trial):
        return paths
    model_file = _model_file(trial, None if data_set is None else conf / data_set)
    paths.append(model_file)
    if trial.fraction is not None:
        at_fraction = model_file.with_name(f"{model_file.stem}-{round(trial.fraction * 100)}.toml")
        paths += [at_fraction] if at_fraction.exists() else []
    return paths


def _model_file(trial: Trial, folder: Path | None) -> Path:
    """The settings file of a model: a path ending in .toml, or a name in the folder of the data set."""
    if trial.model.endswith(".toml"):
        path, looked_in = Path(trial.model), f"the path {trial.model}"
    elif folder is None:
        raise SettingsError(
            f"there is no model {trial.model}",
            where=f"--models, protocol {trial.protocol}",
            expected="the path of a settings file, ending in .toml: this protocol has no folder of models",
            found=trial.model,
            hint="give the path of the model's settings file, or omit --models to measure the settings of --config",
        )
    else:
        path, looked_in = folder / f"{trial.model}.toml", f"the folder {folder}"
    if path.is_file():
        return path
    # a model's numbers at a training fraction are in NAME-PERCENT.toml beside it, which is no model itself
    names = [] if folder is None else sorted(file.stem for file in folder.glob("*.toml"))
    models = [name for name in names if not (name.rpartition("-")[0] in names and name.rpartition("-")[2].isdigit())]
    raise SettingsError(
        f"there is no model {trial.model}",
        where=f"--models, looked for in {looked_in}",
        expected=f"one of {', '.join(models)}, or the path of a settings file" if models else "a settings file",
        found=f"no file {path}",
        hint="check the name; a model is a settings file",
    )


def settings_of(trial: Trial, arguments: argparse.Namespace) -> Settings:
    """The settings of a trial.

    With a data set: its files, then --config, then --set. Without: --config, then the model, then --set.

    Args:
        trial: what is measured.
        arguments: of the command line.
    """
    overrides = [f"paths.root={arguments.root}/{trial.protocol}", "split.method=none", "publish.catalog=none"]
    if arguments.data:
        overrides.append(f"paths.data={arguments.data}")
    base, *model = settings_files(trial, arguments.conf)
    has_data_set = PROTOCOLS[trial.protocol].data_set is not None
    paths = [base, *model, *arguments.config] if has_data_set else [base, *arguments.config, *model]
    last_overrides = list(arguments.overrides)
    settings = load_settings(paths, [*overrides, *last_overrides])
    if is_of_paper(trial):
        last_overrides += paper_overrides(trial.model, settings)
        settings = load_settings(paths, [*overrides, *last_overrides])
    if trial.side_information == "none":
        overrides += without_side_information(settings)
        settings = load_settings(paths, [*overrides, *last_overrides])
    return settings.model_copy(update={"seed": settings.seed + trial.seed})


def options_text(arguments: argparse.Namespace) -> str:
    """The options that change a model: --set, --leak, and for a data set's models --config.

    Args:
        arguments: of the command line.
    """
    protocol = PROTOCOLS.get(arguments.protocol)
    options: list[str] = []
    for path in arguments.config if protocol is not None and protocol.data_set else []:
        options += ["--config", path]
    for override in arguments.overrides:
        options += [] if override.startswith(_SAME_RESULT) else ["--set", override]
    return shlex.join([*options, *(["--leak"] if arguments.leak else [])])


def without_side_information(settings: Settings) -> list[str]:
    """The `key=value` texts that leave a model the training ratings alone.

    Args:
        settings: of the model.
    """
    overrides = list(NO_SIDE_INFORMATION)
    for side in ("user", "item"):
        groups = [
            [column for column in group if column in FROM_RATINGS]
            for group in getattr(settings.bayes, f"{side}_groups")
        ]
        overrides.append(f"bayes.{side}_groups={json.dumps([group for group in groups if group])}")
    return overrides
