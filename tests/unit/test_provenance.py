"""Where a measured figure comes from: processor facts by the files of Linux, and the text of a measurement."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import bgmrec
from bgmrec.runtime import provenance as module
from bgmrec.runtime.provenance import command_line, processor_facts, provenance, provenance_text

CPU_INFO = """processor\t: 0
model name\t: Some(R) Processor
flags\t\t: fpu sse2 avx2 {more}

processor\t: 1
model name\t: Another
"""


@pytest.fixture
def linux(tmp_path: Path) -> tuple[Path, Path]:
    """A file like /proc/cpuinfo and a folder like /sys/devices/system/cpu/cpu0/cache."""
    caches = tmp_path / "cache"
    levels = [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2048K")]
    for index, (level, kind, size) in enumerate(levels):
        folder = f"index{index}"
        (caches / folder).mkdir(parents=True)
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (caches / folder / name).write_text(f"{text}\n")
    (tmp_path / "cpuinfo").write_text(CPU_INFO.format(more=""))
    return tmp_path / "cpuinfo", caches


def test_processor_caches_and_vectors_are_those_of_the_first_core(linux: tuple[Path, Path]) -> None:
    facts = processor_facts(*linux)
    assert facts["processor"] == "Some(R) Processor"
    assert facts["caches"] == {"L1": "48K", "L2": "2048K"}, "without the cache of instructions"
    assert facts["vector_bits"] == 256 and facts["cores"] == os.cpu_count()
    linux[0].write_text(CPU_INFO.format(more="avx512f"))
    assert processor_facts(*linux)["vector_bits"] == 512


def test_a_machine_that_tells_nothing_has_no_facts(tmp_path: Path) -> None:
    facts = processor_facts(tmp_path / "none", tmp_path / "none")
    assert facts["processor"] is facts["caches"] is facts["vector_bits"] is None


def test_a_measurement_names_command_date_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_commit", lambda: None)
    facts = provenance(command_line("study", ["days", "--set", "a=b c"]))
    assert facts["command"] == "python jobs/study.py days --set 'a=b c'"
    assert facts["version"] == bgmrec.__version__ and len(facts["date"]) == len("2025-03-14")
    assert "commit" not in facts, "an installed package has none"


def test_the_text_of_a_measurement_has_what_is_known() -> None:
    facts = {"date": "2025-03-14", "version": "1.2", "commit": "abc1234", "processor": "P", "cores": 2}
    facts |= {"caches": {"L2": "2048K"}, "vector_bits": 512, "command": "python jobs/study.py days"}
    shown = "2025-03-14, bgmrec 1.2, commit abc1234, P, 2 cores, L2 2048K, 512-bit vectors: `python jobs/study.py days`"
    assert provenance_text(facts) == shown
    copied = {"date": "2025-03-14", "commit": "abc1234", "source": "README.md", "remark": "no AVX-512", "command": "c"}
    expected = "2025-03-14, commit abc1234, copied from README.md, processor not recorded, no AVX-512: `c`"
    assert provenance_text(copied) == expected
