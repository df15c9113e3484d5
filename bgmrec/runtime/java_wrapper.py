"""A Java home that starts a reduced Java runtime without an option that the runtime does not know."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from bgmrec.errors import SettingsError

_SCRIPT = """#!/bin/sh
# Spark asks for a module of Java that this runtime lacks; only Spark's optional vector BLAS uses it
for argument do
    shift
    [ "$argument" = {option} ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def home_without_option(home: Path, option: str) -> Path:
    """A home folder like another one, whose `bin/java` drops one option.

    It is made once, beside the other one where that can be written, else in the user's cache, and used again.

    Args:
        home: of the runtime.
        option: dropped from the command line of Java.

    Raises:
        SettingsError: neither folder can be written.
    """
    script = _SCRIPT.format(option=shlex.quote(option), java=shlex.quote(str(home / "bin" / "java")))
    user_cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    parents = [home.parent, Path(user_cache).expanduser() / "bgmrec"]
    for parent in parents:
        wrapper = parent / f"wrapped-{hashlib.sha256(script.encode()).hexdigest()[:16]}"
        with suppress(OSError):
            if not wrapper.is_dir():
                _make(home, script, wrapper)
            return wrapper
    raise SettingsError(
        "cannot write the folder that starts the bundled Java",
        where="one of " + " and ".join(map(str, parents)),
        expected="a folder that can be written",
        found="none",
        hint="set XDG_CACHE_HOME to a folder that can be written, or install a JDK and point JAVA_HOME at it",
    )


def _make(home: Path, script: str, wrapper: Path) -> None:
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=wrapper.parent, prefix="wrapped-draft-"))
    try:
        (draft / "bin").mkdir()
        for entry in [*home.iterdir(), *(home / "bin").iterdir()]:
            link = draft / entry.relative_to(home)
            if not link.exists() and entry != home / "bin" / "java":
                link.symlink_to(entry)
        java = draft / "bin" / "java"
        java.write_text(script)
        java.chmod(0o755)
        draft.chmod(0o755)
        with suppress(OSError):  # another process made it meanwhile
            draft.rename(wrapper)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if not wrapper.is_dir():
        raise FileNotFoundError(wrapper)
