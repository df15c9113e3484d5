"""Nothing that is read from data or from the model store can run code: no pickle, no eval, anywhere in the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MODULES = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle", "yaml"}
NAMES = {"read_pickle", "to_pickle", "allow_pickle", "pickleFile", "saveAsPickleFile"}
LOADERS = {"np", "numpy", "torch"}  # their load unpickles by default or by an argument
BUILTINS = {"eval", "exec", "compile", "__import__"}


def offences(source: str) -> list[str]:
    """What in a module could unpickle or evaluate, as line: what."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [f"{node.lineno}: import {one.name}" for one in names if one.name.split(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
                found.append(f"{node.lineno}: from {module}")
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                found.append(f"{node.lineno}: {name}")
            case ast.Attribute(value=ast.Name(id=owner), attr="load") if owner in LOADERS:
                found.append(f"{node.lineno}: {owner}.load")
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)) if name in NAMES:
                found.append(f"{node.lineno}: {name}")
            case ast.ImportFrom(module="numpy" | "torch", names=names) if any(one.name == "load" for one in names):
                found.append(f"{node.lineno}: from … import load")
    return found


@pytest.mark.parametrize("folder", ["bgmrec", "jobs"])
def test_the_package_unpickles_and_evaluates_nothing(folder: str) -> None:
    files = sorted((PROJECT / folder).rglob("*.py"))
    assert len(files) > 20
    assert {str(path): found for path in files if (found := offences(path.read_text()))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import torch; torch.load(path)",
        "import numpy as np; np.load(path, allow_pickle=True)",
        "from torch import load",
        "pd.read_pickle(path)",
        "context.pickleFile(path)",
        "eval(text)",
    ],
)
def test_what_would_is_found(line: str) -> None:
    assert offences(line)
