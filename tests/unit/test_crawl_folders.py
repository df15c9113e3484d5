"""Paths of the crawl's settings."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from bgmrec.config import load_settings
from bgmrec.crawl.folders import expander


def test_folders_in_a_pattern_are_taken_literally(tmp_path: Path) -> None:
    settings = load_settings([], [f"paths.root={tmp_path}/a[1]", f"paths.data={tmp_path}/b*"])
    ds = date(2025, 1, 31)
    assert expander(settings, ds, in_pattern=True)("{root}/x*/{ds}") == f"{tmp_path}/a[[]1]/x*/2025-01-31"
    assert expander(settings, ds, in_pattern=True)("{data}/x") == f"{tmp_path}/b[*]/x"
    assert expander(settings, ds)("{root}/x*/{ds}") == f"{tmp_path}/a[1]/x*/2025-01-31"
