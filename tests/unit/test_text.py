"""Columns of a terminal: Chinese letters and emoji are two columns wide, combining marks none."""

from __future__ import annotations

import pytest

from bgmrec.evaluate.text import aligned, cut, display_width, pad


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("song", 4),
        ("夜曲", 4),
        ("ソング", 6),
        ("ﾊｰﾌ", 3),  # halfwidth katakana
        ("🎵", 2),
        ("e\u0301", 1),  # e with a combining acute accent
        ("\u202eabc\u202c", 3),  # direction marks are not drawn
        ("❤\ufe0f", 1),
    ],
)
def test_the_width_is_what_a_terminal_draws(text: str, width: int) -> None:
    assert display_width(text) == width


def test_numbers_stand_below_their_heads_beside_wide_titles() -> None:
    lines = aligned([["title", "", "score"], ["夜曲", "", "0.9"], ["song 🎵", "", "12.5"]]).splitlines()
    assert [display_width(line) for line in lines] == [display_width(lines[0])] * 3
    assert lines[1].endswith("  0.9") and lines[1].startswith("夜曲 ")


def test_a_control_character_cannot_move_a_column() -> None:
    lines = aligned([["title", "", "n"], ["a\x1b[31m\tb", "", "1"]]).splitlines()
    assert "\x1b" not in lines[1] and "\t" not in lines[1]
    assert len(lines[0]) == len(lines[1])


def test_a_cut_text_fits_and_says_that_it_is_cut() -> None:
    assert cut("short", 8) == "short"
    assert cut("a longer title", 8) == "a longe…"
    assert cut("夜曲夜曲夜曲", 8) == "夜曲夜…"  # 6 columns and the ellipsis: the next letter would take two more
    assert display_width(pad(cut("夜曲夜曲夜曲", 8), 8)) == 8
