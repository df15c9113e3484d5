"""Titles, artist names and descriptions from words of an item's genre, mood and tempo."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bgmrec.synthetic import noise
from bgmrec.synthetic import vocabulary as v
from bgmrec.synthetic.music import Music
from bgmrec.synthetic.plan import WorldPlan

_DRAWS = 64  # more than the longest description needs
_SLOWEST, _TEMPO_STEP = 50, 30  # beats per minute


def titles(plan: WorldPlan, of: Music) -> list[str]:
    """One title per item.

    Args:
        plan: of the world.
        of: attributes of the items.
    """
    draws = noise.uniforms(plan.seed, "item/title", of.ids, 8)
    return [_title(_Words(row, g, m, 0)) for row, g, m in zip(draws, of.genres, of.moods, strict=True)]


def artist_names(plan: WorldPlan, artists: np.ndarray) -> list[str]:
    """One name per artist; two artists may have the same name.

    Args:
        plan: of the world.
        artists: (rows,).
    """
    draws = noise.uniforms(plan.seed, "artist/name", artists, 3)
    parts = (v.FIRST_NAMES, v.LAST_NAMES, v.ENSEMBLES)
    return [" ".join(_pick(u, words) for u, words in zip(row, parts, strict=True)).strip() for row in draws]


def descriptions(plan: WorldPlan, of: Music) -> list[str]:
    """Three to five sentences per item.

    Args:
        plan: of the world.
        of: attributes of the items.
    """
    draws = noise.uniforms(plan.seed, "item/description", of.ids, _DRAWS)
    names = artist_names(plan, of.artists)
    speeds = np.clip((of.bpm - _SLOWEST) // _TEMPO_STEP, 0, len(v.TEMPO_WORDS) - 1).astype(int)
    rows = zip(draws, of.genres, of.moods, speeds, names, strict=True)
    return [_description(_Words(row, g, m, t), name) for row, g, m, t, name in rows]


class _Words:
    """Words of a genre, a mood and a tempo, each chosen by the next draw of the row."""

    def __init__(self, draws: np.ndarray, genre: int, mood: int, speed: int):
        self._draws: Iterator[float] = iter(draws.tolist())
        self.genre, self.mood = v.GENRES[genre], v.MOODS[mood]
        self._used: set[str] = set()
        self._of = {"g": v.GENRE_WORDS[genre], "m": v.MOOD_WORDS[mood], "t": v.TEMPO_WORDS[speed]}

    def pick(self, options: tuple[str, ...]) -> str:
        """One of the options, an unused one if there is any.

        Args:
            options: words.
        """
        word = _pick(next(self._draws), tuple(option for option in options if option not in self._used) or options)
        self._used.add(word)
        return word

    def fill(self, template: str, **fixed: str) -> str:
        """Replaces {g}, {m}, {t} by words, {G}, {M} by capitalised words.

        Args:
            template: the text.
            fixed: further names in braces and their texts.
        """
        text = template
        for slot, words in self._of.items():
            while f"{{{slot}}}" in text:
                text = text.replace(f"{{{slot}}}", self.pick(words), 1)
            while f"{{{slot.upper()}}}" in text:
                text = text.replace(f"{{{slot.upper()}}}", self.pick(words).capitalize(), 1)
        for slot, word in fixed.items():
            text = text.replace(f"{{{slot}}}", word)
        return text


def _title(words: _Words) -> str:
    return words.fill(words.pick(v.TITLES))


def _description(words: _Words, artist: str) -> str:
    scene = words.pick(v.SCENES)
    number = int(words.pick(("3", "4", "5")))
    sentences = (
        words.fill(words.pick(v.SENTENCES), artist=artist, scene=scene, genre=words.genre, mood=words.mood)
        for _ in range(number)
    )
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)


def _pick(draw: float, options: tuple[str, ...]) -> str:
    return options[int(draw * len(options))]
