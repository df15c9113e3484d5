"""Where a measured figure comes from: the command, the date, the version, and the processor it ran on."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bgmrec

CPU_INFO = Path("/proc/cpuinfo")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_VECTOR_BITS = (("avx512f", 512), ("avx2", 256), ("asimd", 128), ("sse2", 128))  # by a flag of /proc/cpuinfo


def command_line(job: str, argv: Sequence[str] | None) -> str:
    """The command as a shell would read it.

    Args:
        job: name of the file in jobs/, without `.py`.
        argv: the arguments; None: those of the process.
    """
    return shlex.join(["python", f"jobs/{job}.py", *(sys.argv[1:] if argv is None else argv)])


def provenance(command: str) -> dict[str, Any]:
    """Date (UTC), version, commit, processor, and the command. Facts that this machine does not tell are left out.

    Args:
        command: as `command_line` gives it.
    """
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "version": bgmrec.__version__,
        "commit": _commit(),
        **processor_facts(),
        "command": command,
    }
    return {name: value for name, value in facts.items() if value is not None}


def processor_facts(cpu_info: Path = CPU_INFO, caches: Path = CACHES) -> dict[str, Any]:
    """Name, number of cores, cache sizes and vector width in bits of this machine's processor; None where not known.

    Args:
        cpu_info: the file that Linux describes processors in.
        caches: the folder that Linux describes the first core's caches in.
    """
    info = _first_processor(cpu_info)
    flags = set(info.get("flags", info.get("Features", "")).split())
    width = next((bits for flag, bits in _VECTOR_BITS if flag in flags), None)
    return {
        "processor": info.get("model name"),
        "cores": os.cpu_count(),
        "caches": _cache_sizes(caches) or None,
        "vector_bits": width,
    }


def provenance_text(facts: Mapping[str, Any]) -> str:
    """The facts of `provenance` as one line of Markdown."""
    # version and commit name the same tree; figures that were copied from a document name their document
    parts = [facts.get("date"), f"bgmrec {facts['version']}" if "version" in facts else None]
    parts.append(f"commit {facts['commit']}" if "commit" in facts else None)
    parts.append(f"copied from {facts['source']}" if "source" in facts else None)
    parts.append(facts.get("processor", "processor not recorded"))
    parts.append(f"{facts['cores']} cores" if "cores" in facts else None)
    parts += [f"{name} {size}" for name, size in facts.get("caches", {}).items()]
    parts.append(f"{facts['vector_bits']}-bit vectors" if "vector_bits" in facts else None)
    parts.append(facts.get("remark"))
    return f"{', '.join(part for part in parts if part)}: `{facts['command']}`"


def _first_processor(cpu_info: Path) -> dict[str, str]:
    """The fields of the first processor: lines `name : value` up to the first empty line."""
    fields: dict[str, str] = {}
    with suppress(OSError):
        for line in cpu_info.read_text(encoding="utf-8").splitlines():
            if not line.strip():
                break
            name, _, value = line.partition(":")
            fields[name.strip()] = value.strip()
    return fields


def _cache_sizes(caches: Path) -> dict[str, str]:
    """Level → size of the data caches that the first core uses: {"L1": "48K", "L2": "2048K"}."""
    sizes = {}
    for folder in sorted(caches.glob("index*")):
        with suppress(OSError):
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
            if kind != "Instruction":
                sizes[f"L{level}"] = size
    return sizes


def _commit() -> str | None:
    """The commit of the source tree, with `-dirty` where files differ from it; None for an installed package."""
    root = Path(bgmrec.__file__).parents[1]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=7", "--exclude=*"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip() or None
    return None
