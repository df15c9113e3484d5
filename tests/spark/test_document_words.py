"""The words of a document are what a reader sees: no markup, and signs of scripts without spaces."""

from __future__ import annotations

import html
import time

import pytest

from bgmrec.config.features import DocumentSettings
from bgmrec.features.document import Vocabulary, fit_vocabulary, tokenize
from bgmrec.features.plain_text import plain_text
from bgmrec.storage.arrays import INT, from_cell

DESCRIPTION = '<p>soft <b>piano</b>&nbsp;<br/>calm&amp;quiet</p><a href="http://x.example">more</a>'  # of CASES.md
MARKUP = {
    DESCRIPTION: "soft piano calm quiet more",
    DESCRIPTION.upper(): "soft piano calm quiet more",
    html.escape(DESCRIPTION): "soft piano calm quiet more",
    html.escape(html.escape("<p>soft</p>")): "soft",
    "<P CLASS='a' data-x=\"1 > 0\">slow</P>": "slow",
    "<div\n class=x\n>slow</div>": "slow",
    "<span>pop</span><span>rock</span>": "pop rock",
    "<!-- hidden --><style>p { color: red }</style><script>var a = '<p>';</script>seen": "seen",
    "<![CDATA[a <b>b</b>]]><!DOCTYPE html><?xml version='1.0'?>c": "a b c",
    "caf&eacute; &Uuml;ber &#233;t&#xE9; &#26376;&szlig;": "café über été 月 ß",
    "&eacute;": "é",
    "don&#39;t &quot;stop&quot; &hellip; &copy;2001": "don t stop 2001",
    "waist&shy;coat wind<wbr>mill": "waistcoat windmill",
    'x <my-player src="a.mp3" controls="1">y</my-player> <o:p/>z': "x y z",
    'cut off <a href="http://x.example/very': "cut off",
    "a < b and c > d": "a b and c d",
    "I <3 drum&bass; R&B; AT&T &c": "i 3 drum bass r b at t c",
    "<untitled> <live>": "untitled live",
    "1 &lt; 2": "1 2",
    "&#0; &#x110000; &#55296; a": "a",
    "&amp;": "",
    "plain": "plain",
    "": "",
}


def words(spark, texts, field="string") -> list[list[str]]:
    """The words of each text."""
    items = spark.createDataFrame(list(enumerate(texts)), f"idx int, text {field}")
    settings = DocumentSettings(fields=["text"], max_document_share=1.0, min_documents=1, vocabulary_size=10_000)
    vocabulary = fit_vocabulary(items, settings)
    rows = sorted(tokenize(items, Vocabulary(vocabulary.words), settings).collect())
    return [[vocabulary.words[token - 1] for token in from_cell(row.tokens, dtype=INT)] for row in rows]


def test_markup_is_no_word(spark):
    found = dict(zip(MARKUP, words(spark, list(MARKUP)), strict=True))
    assert found == {text: seen.split() for text, seen in MARKUP.items()}


def test_markup_in_lists_is_no_word(spark):
    assert words(spark, [["<b>pop</b>", "rock&amp;roll"], None], "array<string>") == [["pop", "rock", "roll"], []]


@pytest.mark.parametrize(
    ("text", "n_words"),
    [
        ("夜曲", 2),
        ("ソング", 3),
        ("เพลง", 4),
        ("ເພງລາວ", 6),  # Lao
        ("ភ្លេងខ្មែរ", 10),  # Khmer
        ("မြန်မာသီချင်း", 13),  # Burmese
        ("ᨩᩮᩢᩣ", 4),  # Tai Tham
        ("ꦭꦒꦸ", 3),  # Javanese
        ("ꆈꌠ", 2),  # Yi
        ("ㄉㄧㄢ", 3),  # Bopomofo
        ("노래 मधुर", 2),  # Hangul and Devanagari are written with spaces
    ],
)
def test_scripts_without_spaces_are_split_by_sign(spark, text, n_words):
    [found] = words(spark, [text])
    assert found == (text.split() if " " in text else list(text)) and len(found) == n_words


PIECES = [
    "<",
    "<a ",
    "<a b=",
    "&",
    "&amp;",
    "<!--",
    "<script>",
    "<b",
    '<b "',
    "<x a='",
    "<x a=b ",
    "</",
    "&#1",
    "<b a=' ",
]


@pytest.mark.parametrize("piece", PIECES)
def test_broken_markup_takes_no_time(spark, piece):
    frame = spark.createDataFrame([(piece * (200_000 // len(piece)),)], "text string")
    began = time.monotonic()
    frame.select(plain_text(frame.text).alias("text")).collect()
    assert time.monotonic() - began < 10
