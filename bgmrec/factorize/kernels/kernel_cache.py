"""The decorator of compiled kernels, and the folder that keeps their machine code between processes.

numba compiles a cached kernel again only when the kernel's own file changes. Its machine code also holds the helpers
that it inlines and the constants that it reads from other files, so the name of the folder carries a digest of the
sources of all kernels: an update never runs old machine code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba

import bgmrec

# below the package: a test finds kernels, and what they import, anywhere else
SOURCES = ("factorize/kernels", "recommend/kernel.py")
UNUSED_DAYS = 7.0  # folders of other sources are deleted after so long: a run may still be using one
_PREFIX = "kernels-"
_CONFIG: Any = numba.config  # its attributes are made at run time


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba's decorator with the cache of this module; compiled code releases the GIL.

    Args:
        options: of `numba.njit`, but for `cache` and `nogil`.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        folder = cache_folder()
        if folder is None:
            return numba.njit(nogil=True, **options)(function)
        # numba looks at this setting when it decorates; other libraries keep theirs
        before, _CONFIG.CACHE_DIR = _CONFIG.CACHE_DIR, str(folder)
        try:
            return numba.njit(cache=True, nogil=True, **options)(function)
        finally:
            _CONFIG.CACHE_DIR = before

    return decorate


@cache
def cache_folder() -> Path | None:
    """The folder of this process: in NUMBA_CACHE_DIR if that is set, else beside the package, else the user's.

    None where the sources cannot be read or no folder can be written: then every process compiles.
    """
    digest = sources_digest(Path(bgmrec.__file__).parent)
    for parent in _parents() if digest else ():
        folder = parent / f"{_PREFIX}{digest}"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()  # a folder that exists may still be read-only
            os.utime(folder)  # the time of its last use
            _delete_unused(folder)
            return folder
    return None


def sources_digest(package: Path) -> str:
    """A digest of all kernels' sources; empty where there are none, as in a package without source files.

    Args:
        package: folder of bgmrec.
    """
    paths = [path for name in SOURCES for path in (package / name, *(package / name).glob("*.py")) if path.is_file()]
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16] if paths else ""


def _parents() -> list[Path]:
    user_cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folders = [Path(bgmrec.__file__).parent / "__pycache__", Path(user_cache).expanduser() / "bgmrec"]
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    return [Path(chosen), *folders] if chosen else folders


def _delete_unused(current: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86_400
    for folder in current.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process deletes the same one
            if folder != current and folder.stat().st_mtime < oldest:
                shutil.rmtree(folder)
