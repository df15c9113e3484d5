"""All sections of the page, with their figures drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bgmrec.report.page.cost_section import cost_section
from bgmrec.report.page.data_section import data_section
from bgmrec.report.page.lists_section import lists_section
from bgmrec.report.page.parts import Figure, PageSection
from bgmrec.report.page.quality_section import quality_section
from bgmrec.report.page.study_section import study_sections

__all__ = ["figures", "sections", "study_sections"]


def sections(facts: dict[str, Any]) -> list[PageSection]:
    """All sections, in the order of the page.

    Args:
        facts: facts of the report.
    """
    return [quality_section(facts), lists_section(facts), data_section(facts), cost_section(facts)]


def figures(sections: Sequence[PageSection]) -> Iterator[Figure]:
    """The figures of some sections.

    Args:
        sections: finished sections.
    """
    for section in sections:
        yield from (block for block in section.blocks if isinstance(block, Figure))
