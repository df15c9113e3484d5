"""Text with HTML markup → the text that a reader sees, as Spark expressions.

Decided here: what of a text field is markup, whatever source it came from: tags, comments, scripts and entities, also
escaped ones. A `<` that begins no tag stays, and so does a bare word in angle brackets that HTML does not know:
`<untitled>`, `a < b`, `<3`.
"""

from __future__ import annotations

import json
import unicodedata
from html.entities import html5, name2codepoint

from pyspark.sql import Column
from pyspark.sql import functions as f

_ELEMENTS = (
    "a|abbr|address|article|aside|audio|b|bdi|bdo|big|blockquote|body|br|button|caption|center|cite|code|col|colgroup|dd|"
    "del|details|dfn|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|"
    "img|input|ins|kbd|label|legend|li|link|main|map|mark|meta|nav|noscript|object|ol|option|p|param|picture|pre|q|rp|rt|"
    "ruby|s|samp|script|section|select|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|textarea|"
    "tfoot|th|thead|time|title|tr|tt|u|ul|var|video"
)
_NAME = r"[a-z][\w:.-]*+"
_ATTRIBUTE = r"""\s++[\w:.@-]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>]++)"""
_MARKUP = "(?is)" + "|".join(
    (
        r"<(script|style)\b[^<>]*+>.{0,1000}?</\1\s*+>",
        r"<!--.{0,1000}?-->",
        r"<!\[CDATA\[|\]\]>|<!doctype\b[^<>]*+>|<\?[^<>]*+>",
        # possessive: a group in a loop that may go back uses Java's stack
        rf"""</?(?:{_ELEMENTS})(?=[\s/>])(?:[^<>"']++|"[^"<]{{0,2000}}+"|'[^'<]{{0,2000}}+'|["'])*+>""",
        rf"</{_NAME}\s*+>|<{_NAME}\s*+/>|<{_NAME}(?:{_ATTRIBUTE})++\s*+/?>",
        rf"<{_NAME}\s[^<>=]*+=[^<>]*+\z",  # a tag that the end of a shortened text cuts off
    )
)
_JOINS = r"(?i)<wbr\s*/?>"  # a place where a word may break, in the middle of it
_ENTITY = r"^(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
_ESCAPED_AGAIN = r"&(?:amp;){1,3}(?=#?\w{1,31};)"  # feeds escape their markup once more
_LAST_CODE_POINT = 0x10FFFF


def plain_text(text: Column) -> Column:
    """The text without markup; every tag is a blank, so that words on both sides of it stay apart.

    Args:
        text: of a field.
    """
    unescaped = _unescaped(f.regexp_replace(text, _ESCAPED_AGAIN, "&"))
    plain = f.regexp_replace(f.regexp_replace(unescaped, _JOINS, ""), _MARKUP, " ")
    return f.when(text.rlike("[<&]"), plain).otherwise(text)


def _entities() -> dict[str, str]:
    """Name → text: letters of all names of HTML 5, blanks for the signs of HTML 4."""
    markup = {"nbsp": " ", "amp": "&", "quot": '"', "lt": "<", "gt": ">", "apos": "'", "shy": "", "zwnj": "", "zwj": ""}
    signs = dict.fromkeys(name2codepoint, " ")
    letters = {
        name.removesuffix(";"): text
        for name, text in html5.items()
        if name.endswith(";") and len(text) == 1 and unicodedata.category(text) in ("Ll", "Lu") and text.isprintable()
    }
    plain = {name: text for name, text in letters.items() if unicodedata.normalize("NFKC", text) == text}
    return {**markup, **plain, **{name: blank for name, blank in signs.items() if name not in markup | plain}}


def _unescaped(text: Column) -> Column:
    """The text with its entities as characters; what only looks like an entity stays."""
    # one literal: a map of a thousand columns would take longer to build than to use
    names = f.from_json(f.lit(json.dumps(_entities())), "map<string,string>")

    def of_part(part: Column, position: Column) -> Column:
        entity = f.regexp_extract(part, _ENTITY, 1)
        character = f.when(entity.startswith("#"), _numbered(entity)).otherwise(
            f.coalesce(f.element_at(names, entity), f.element_at(names, f.lower(entity)))
        )
        rest = part.substr(f.length(entity) + 2, f.length(part))
        return f.when(position == 0, part).otherwise(f.coalesce(f.concat(character, rest), f.concat(f.lit("&"), part)))

    return f.array_join(f.transform(f.split(text, "&"), of_part), "")


def _numbered(entity: Column) -> Column:
    """The character of `#233` or `#xE9`; a blank for control characters and what is no character."""
    is_hex = f.lower(entity).startswith("#x")
    code = f.when(is_hex, f.conv(f.substring(entity, 3, 6), 16, 10)).otherwise(f.substring(entity, 2, 7)).cast("int")
    is_character = code.between(0x20, 0x7E) | code.between(0xA1, 0xD7FF) | code.between(0xE000, _LAST_CODE_POINT)
    utf_32 = f.unhex(f.lpad(f.hex(code), 8, "0"))
    return f.when(is_character, f.decode(utf_32, "UTF-32")).otherwise(f.lit(" "))
