"""Compiled kernels are recompiled when any kernel source changes, also the source of a helper that they inline."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bgmrec.factorize.kernels import kernel_cache

PACKAGE = Path(__file__).parents[2] / "bgmrec"
HELPER = "from bgmrec.factorize.kernels.equation import inlined\n\n\n@inlined\ndef added(x):\n    return x + {amount}\n"
KERNEL = (
    "from bgmrec.factorize.kernels.cached_helper import added\n"
    "from bgmrec.factorize.kernels.equation import compiled\n\n\n"
    "@compiled\ndef kernel(x):\n    return added(x)\n"
)
CALL = (
    "from bgmrec.factorize.kernels.cached_kernel import kernel\n"
    "print(kernel(1.0), sum(kernel.stats.cache_hits.values()))"
)


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A copy of the package with a kernel that inlines a helper of another file."""
    folder = tmp_path / "site"
    shutil.copytree(PACKAGE, folder / "bgmrec", ignore=shutil.ignore_patterns("__pycache__"))
    write_helper(folder, 1)
    (folder / "bgmrec/factorize/kernels/cached_kernel.py").write_text(KERNEL)
    return folder


def write_helper(installation: Path, amount: int) -> None:
    (installation / "bgmrec/factorize/kernels/cached_helper.py").write_text(HELPER.format(amount=amount))


def call(installation: Path, **environment: str) -> tuple[float, int]:
    """(what the kernel returns, how often numba found it compiled), in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(installation), "HOME": str(installation.parent / "home"), **environment}
    env.pop("XDG_CACHE_HOME", None)
    done = subprocess.run([sys.executable, "-c", CALL], cwd=installation, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result, hits = done.stdout.split()
    return float(result), int(hits)


def test_an_edited_helper_takes_effect(installation: Path) -> None:
    assert call(installation) == (2.0, 0)
    assert call(installation) == (2.0, 1)
    write_helper(installation, 5)
    assert call(installation) == (6.0, 0)


def test_a_read_only_installation_uses_the_cache_of_the_user(installation: Path, tmp_path: Path) -> None:
    (installation / "bgmrec" / "__pycache__").write_text("no folder can be made here, whoever runs the test")
    assert call(installation) == (2.0, 0)
    assert call(installation) == (2.0, 1)
    assert list((tmp_path / "home/.cache/bgmrec").glob("kernels-*/*/*.nbi"))


def test_without_a_folder_kernels_are_compiled_by_every_process(installation: Path, tmp_path: Path) -> None:
    for name in (installation / "bgmrec" / "__pycache__", tmp_path / "home"):
        name.write_text("no folder can be made here")
    assert call(installation) == (2.0, 0)
    assert call(installation) == (2.0, 0)


def test_a_chosen_folder_is_used(installation: Path, tmp_path: Path) -> None:
    assert call(installation, NUMBA_CACHE_DIR=str(tmp_path / "chosen")) == (2.0, 0)
    assert call(installation, NUMBA_CACHE_DIR=str(tmp_path / "chosen")) == (2.0, 1)
    assert list((tmp_path / "chosen").glob("kernels-*/*/*.nbi"))


def test_folders_of_other_sources_are_deleted_when_unused(installation: Path) -> None:
    parent = installation / "bgmrec" / "__pycache__"
    for name, days in (("kernels-old", kernel_cache.UNUSED_DAYS + 1), ("kernels-recent", 1), ("other", 100)):
        (parent / name / "sub").mkdir(parents=True)
        os.utime(parent / name, (time.time() - days * 86_400,) * 2)
    call(installation)
    names = {path.name for path in parent.iterdir() if path.is_dir()}
    assert names == {"kernels-recent", "other", f"kernels-{kernel_cache.sources_digest(installation / 'bgmrec')}"}


def _imported(tree: ast.Module) -> dict[str, str]:
    """Name in the module → the module of bgmrec that it is imported from."""
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bgmrec")
        for alias in node.names
    }


def test_the_digest_covers_all_that_is_compiled() -> None:
    """Every kernel, and every helper or constant that a compiled function names, is in one of the sources."""
    sources = tuple(f"bgmrec.{name.removesuffix('.py').replace('/', '.')}" for name in kernel_cache.SOURCES)
    compiled = 0
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        if not any(word in text for word in ("numba", "njit", "compiled", "inlined")):
            continue
        tree = ast.parse(text)
        imported = _imported(tree)
        decorated = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and _is_compiled(node)]
        module = f"bgmrec.{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}"
        assert not decorated or module.startswith(sources), f"{module} compiles functions: name it in SOURCES"
        for function in decorated:
            names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            outside = {imported[name] for name in names & imported.keys() if not imported[name].startswith(sources)}
            # annotations are not compiled
            outside -= {imported[name] for name in _annotated(function) if name in imported}
            assert not outside, f"{module}.{function.name} is compiled with names of {outside}: name them in SOURCES"
        compiled += len(decorated)
        if module != kernel_cache.__name__:
            assert "numba.njit" not in text, f"{module}: use the njit of {kernel_cache.__name__}"
    assert compiled > 20


def _is_compiled(function: ast.FunctionDef) -> bool:
    names = {
        node.id for decorator in function.decorator_list for node in ast.walk(decorator) if isinstance(node, ast.Name)
    }
    return bool(names & {"njit", "compiled", "inlined", "instruction", "numba"})


def _annotated(function: ast.FunctionDef) -> set[str]:
    arguments = [argument.annotation for argument in function.args.args]
    return {
        node.id
        for annotation in [*arguments, function.returns]
        if annotation is not None
        for node in ast.walk(annotation)
        if isinstance(node, ast.Name)
    }
