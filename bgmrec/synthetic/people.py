"""Users: profiles, and the latent taste computed from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.synthetic import noise
from bgmrec.synthetic.plan import WorldPlan
from bgmrec.synthetic.taste import BIAS_SCALE, WIDTH, basis, unit
from bgmrec.synthetic.vocabulary import COUNTRIES, DEVICES, GENDERS, GENRES

INTERESTS = 3
AGE_GROUPS = 6
_YEARS_PER_GROUP = 9
_YOUNGEST = 14


@dataclass(frozen=True)
class People:
    """Profiles of some users: arrays (rows,); codes are positions in the tuples of the vocabulary.

    Args:
        ids: of the users.
        ages: years.
        genders: codes.
        countries: codes.
        devices: codes.
        followers: their number.
        registered: days before the first day of the world; negative: after it.
        interests: (rows, 3) codes of genres, of which the first `n_interests` are the user's.
        n_interests: 1 to 3.
    """

    ids: np.ndarray
    ages: np.ndarray
    genders: np.ndarray
    countries: np.ndarray
    devices: np.ndarray
    followers: np.ndarray
    registered: np.ndarray
    interests: np.ndarray
    n_interests: np.ndarray


def people(plan: WorldPlan, ids: np.ndarray) -> People:
    """The profiles of some users.

    Args:
        plan: of the world.
        ids: (rows,) users.
    """
    seed = plan.seed
    ages = _YOUNGEST + np.minimum(55, noise.normals(seed, "user/age", ids, 1)[:, 0] ** 2 * 11 + 3).astype(np.int64)
    countries = noise.long_tailed(noise.uniform_per_id(seed, "user/country", ids), len(COUNTRIES), 0.7)
    arrived = plan.user_arrivals.day_of(ids)
    before = noise.integers(seed, "user/registered", ids, 1000)
    return People(
        ids=ids,
        ages=ages,
        genders=noise.integers(seed, "user/gender", ids, len(GENDERS)),
        countries=countries,
        devices=noise.integers(seed, "user/device", ids, len(DEVICES)),
        followers=np.exp(noise.normals(seed, "user/followers", ids, 1)[:, 0] * 1.5 + 3.0).astype(np.int64),
        registered=np.where(arrived == 0, before, -arrived),
        interests=_interests(seed, ids, _age_groups(ages), countries),
        n_interests=1 + noise.integers(seed, "user/n_interests", ids, INTERESTS),
    )


def tastes(plan: WorldPlan, of: People) -> tuple[np.ndarray, np.ndarray]:
    """Latent taste (rows, 8), of length 1, and rating bias (rows,).

    Args:
        plan: of the world.
        of: profiles of the users.
    """
    seed = plan.seed
    is_interest = np.arange(INTERESTS)[None, :] < of.n_interests[:, None]
    genres = basis(seed, "genre", len(GENRES))
    interests = (genres[of.interests] * is_interest[:, :, None]).sum(axis=1)  # (rows, 3, 8) -> (rows, 8)
    latent = (
        0.75 * unit(interests)
        + 0.35 * basis(seed, "age", AGE_GROUPS)[_age_groups(of.ages)]
        + 0.30 * basis(seed, "country", len(COUNTRIES))[of.countries]
        + 0.20 * basis(seed, "gender", len(GENDERS))[of.genders]
        + 0.45 * unit(noise.normals(seed, "user/taste", of.ids, WIDTH))
    )
    return unit(latent), noise.normals(seed, "user/bias", of.ids, 1)[:, 0] * BIAS_SCALE


def _age_groups(ages: np.ndarray) -> np.ndarray:
    return np.minimum((ages - _YOUNGEST) // _YEARS_PER_GROUP, AGE_GROUPS - 1)


def _interests(seed: int, ids: np.ndarray, groups: np.ndarray, countries: np.ndarray) -> np.ndarray:
    """(rows, 3) different genres, drawn by age and country."""
    background = basis(seed, "age", AGE_GROUPS)[groups] + basis(seed, "country", len(COUNTRIES))[countries]
    logits = 2.0 * background @ basis(seed, "genre", len(GENRES)).T  # (rows, genres)
    return np.argsort(-(logits + noise.gumbels(seed, "user/interest", ids, len(GENRES))), axis=1)[:, :INTERESTS]
