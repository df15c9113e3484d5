"""Music: artist, genre, mood, tempo, and the latent character computed from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.synthetic import noise
from bgmrec.synthetic.plan import VIDEOS_PER_ITEM, WorldPlan
from bgmrec.synthetic.taste import BIAS_SCALE, WIDTH, basis, unit
from bgmrec.synthetic.vocabulary import GENRE_TEMPO, GENRES, MOODS, MUSIC_TYPES

AUDIO_WIDTH = 6
_TEMPO_SPREAD = 14.0  # beats per minute
_MOOD_TEMPO = 9.0  # beats per minute between neighbouring moods, which the vocabulary orders from calm to wild


@dataclass(frozen=True)
class Music:
    """Attributes of some items: arrays (rows,); codes are positions in the tuples of the vocabulary.

    Args:
        ids: of the items.
        artists: of the artists.
        genres: codes.
        moods: codes.
        types: codes.
        bpm: beats per minute.
        duration_ms: milliseconds.
        released: days before the first day of the world; negative: after it.
        n_videos: videos with the music.
    """

    ids: np.ndarray
    artists: np.ndarray
    genres: np.ndarray
    moods: np.ndarray
    types: np.ndarray
    bpm: np.ndarray
    duration_ms: np.ndarray
    released: np.ndarray
    n_videos: np.ndarray


def music(plan: WorldPlan, ids: np.ndarray) -> Music:
    """The attributes of some items.

    Args:
        plan: of the world.
        ids: (rows,) items.
    """
    seed = plan.seed
    artists = noise.long_tailed(noise.uniform_per_id(seed, "item/artist", ids), plan.artists, 0.5)
    from_main_genre = noise.uniform_per_id(seed, "item/at_home", ids) < 0.75
    any_genre = noise.integers(seed, "item/genre", ids, len(GENRES))
    genres = np.where(from_main_genre, artist_genres(plan, artists), any_genre)
    moods = noise.integers(seed, "item/mood", ids, len(MOODS))
    arrived = plan.item_arrivals.day_of(ids)
    return Music(
        ids=ids,
        artists=artists,
        genres=genres,
        moods=moods,
        types=noise.long_tailed(noise.uniform_per_id(seed, "item/type", ids), len(MUSIC_TYPES), 0.7),
        bpm=_bpm(seed, ids, genres, moods),
        duration_ms=(15_000 + noise.uniform_per_id(seed, "item/duration", ids) ** 2 * 225_000).astype(np.int64),
        released=np.where(arrived == 0, noise.integers(seed, "item/released", ids, 2000), -arrived),
        n_videos=1 + noise.long_tailed(noise.uniform_per_id(seed, "item/videos", ids), VIDEOS_PER_ITEM, 0.8),
    )


def artist_genres(plan: WorldPlan, artists: np.ndarray) -> np.ndarray:
    """(rows,) the main genre of each artist.

    Args:
        plan: of the world.
        artists: (rows,).
    """
    return noise.integers(plan.seed, "artist/genre", artists, len(GENRES))


def characters(plan: WorldPlan, of: Music) -> tuple[np.ndarray, np.ndarray]:
    """Latent character (rows, 8), of length 1, and rating bias (rows,).

    Args:
        plan: of the world.
        of: attributes of the items.
    """
    seed = plan.seed
    tempo = (of.bpm - 110.0)[:, None] / 35.0
    latent = (
        0.80 * basis(seed, "genre", len(GENRES))[of.genres]
        + 0.45 * basis(seed, "mood", len(MOODS))[of.moods]
        + 0.30 * tempo * basis(seed, "tempo", 1)
        + 0.35 * unit(noise.normals(seed, "artist/character", of.artists, WIDTH))
        + 0.40 * unit(noise.normals(seed, "item/character", of.ids, WIDTH))
    )
    return unit(latent), noise.normals(seed, "item/bias", of.ids, 1)[:, 0] * BIAS_SCALE


def audio(plan: WorldPlan, of: Music) -> np.ndarray:
    """(rows, 6) audio descriptors: a linear map of the character, plus noise.

    Args:
        plan: of the world.
        of: attributes of the items.
    """
    latent, _ = characters(plan, of)
    mapped = latent @ basis(plan.seed, "audio", WIDTH)[:, :AUDIO_WIDTH]
    return np.asarray(mapped + 0.25 * noise.normals(plan.seed, "item/audio", of.ids, AUDIO_WIDTH))


def _bpm(seed: int, ids: np.ndarray, genres: np.ndarray, moods: np.ndarray) -> np.ndarray:
    mean = np.asarray(GENRE_TEMPO, dtype=np.float64)[genres] + _MOOD_TEMPO * (moods - (len(MOODS) - 1) / 2)
    return np.clip(mean + _TEMPO_SPREAD * noise.normals(seed, "item/bpm", ids, 1)[:, 0], 50, 200).round()
