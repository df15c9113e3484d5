"""Draws of the hyperparameters: mean, precision and link matrix of a side, ridges, noise precision.

The rows of a side have the prior x_i ~ N(mu + Bᵀ (f_i − f̄), Λ⁻¹) with features f_i and

    Λ ~ Wishart(nu0, W0),  mu | Λ ~ N(0, (beta0 Λ)⁻¹),  B | Λ ~ matrix-normal(0, diag(ridge)⁻¹, Λ⁻¹)

Without features this is the Normal-Wishart prior of BPMF, with features the link matrix of Macau. Macau alternates
between B given Λ and Λ given B; here (Λ, mu, B) is one exact draw, because B can be integrated out of the posterior of
Λ. With the centred K = FᵀF + diag(ridge), R = FᵀX and N rows:

    Λ ~ Wishart(nu0 + N, (W0⁻¹ + XᵀX − N² x̄ x̄ᵀ / (beta0 + N) − Rᵀ K⁻¹ R)⁻¹)
    mu | Λ ~ N(N x̄ / (beta0 + N), Λ⁻¹ / (beta0 + N)),   B | Λ ~ matrix-normal(K⁻¹ R, K⁻¹, Λ⁻¹)

Therefore only the rows and the ridges pass from one draw to the next. Columns belong to groups with one ridge each and
the prior Gamma(1, .01). All draws need only N, Σx, Σxxᵀ and Σfxᵀ (sums.py), whatever the number of rows. Where rows
have scales (row_scale.py), x_i ~ N(…, (s_i Λ)⁻¹): every sum above, x̄ and f̄ are weighted by s_i, and N is Σ s, except
in the degrees of freedom of the Wishart distribution, where N stays the number of rows.

Source: Salakhutdinov, Mnih, Bayesian Probabilistic Matrix Factorization using MCMC, ICML 2008; Simm et al., Macau:
Scalable Bayesian Factorization with High-dimensional Side Information, MLSP 2017.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from bgmrec.sampler.conditionals.sums import SideSums

BETA0 = 1.0
RIDGE_SHAPE, RIDGE_RATE = 1.0, 0.01
NOISE_SHAPE, NOISE_RATE = 1.0, 1.0


@dataclass
class LinkMatrix:
    """The sums over a side's features, and the factored K of the ridges used last.

    Args:
        mean: f̄ over all rows, weighted by their scales, (columns,).
        gram: the centred FᵀF, (columns, columns).
        groups: each column's group, int (columns,).
    """

    mean: np.ndarray
    gram: np.ndarray
    groups: np.ndarray
    _factored: tuple[bytes, tuple[np.ndarray, bool]] | None = field(default=None, repr=False)

    @property
    def n_groups(self) -> int:
        """The number of groups of columns."""
        return int(self.groups.max()) + 1 if self.groups.size else 0

    def factored(self, ridges: np.ndarray) -> tuple[np.ndarray, bool]:
        """The lower Cholesky factor of K, as scipy's cho_factor returns it; columns³/3 operations for new ridges.

        Args:
            ridges: one per group, (groups,).
        """
        key = ridges.tobytes()
        if self._factored is None or self._factored[0] != key:
            matrix = self.gram + np.diag(ridges[self.groups])
            self._factored = key, cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        return self._factored[1]


def no_link_matrix() -> LinkMatrix:
    """The link matrix of a side without features."""
    return LinkMatrix(np.zeros(0), np.zeros((0, 0)), np.zeros(0, np.int64))


@dataclass(frozen=True)
class RowPrior:
    """Rows ~ N(offset + Bᵀ f, precision⁻¹) for features f as they are stored.

    Args:
        offset: mu − Bᵀ f̄, (width,).
        weights: B, (columns, width).
        precision: Λ, (width, width).
    """

    offset: np.ndarray
    weights: np.ndarray
    precision: np.ndarray

    def means(self, features: np.ndarray) -> np.ndarray:
        """Prior means, float32 (n_rows, width).

        Args:
            features: float32 (n_rows, columns).
        """
        means = np.broadcast_to(self.offset.astype(np.float32), (len(features), len(self.offset)))
        return means + features @ self.weights.astype(np.float32) if self.weights.size else means


def stream(seed: int, round_: int, side: int) -> np.random.Generator:
    """The driver's random numbers for one side in one draw, a function of these three numbers only.

    Args:
        seed: seed of the run.
        round_: number of the draw.
        side: number of the side.
    """
    return np.random.default_rng([seed, round_, side, 0x6267])


def draw_prior(
    random: np.random.Generator, sums: SideSums, link_matrix: LinkMatrix, ridges: np.ndarray, scale: float
) -> RowPrior:
    """One draw of (Λ, mu, B) given the rows.

    Args:
        random: from `stream`.
        sums: sums over the side's rows.
        link_matrix: sums over the side's features.
        ridges: one per group, (groups,).
        scale: of the Wishart prior: W0⁻¹ = scale · width · I, nu0 = width.
    """
    width, n = len(sums.total), sums.scale
    crossed = sums.cross - np.outer(link_matrix.mean, sums.total)
    inverse = scale * width * np.eye(width) + sums.outer - np.outer(sums.total, sums.total) / (BETA0 + n)
    coefficients = (
        cho_solve(link_matrix.factored(ridges), crossed, check_finite=False) if link_matrix.groups.size else crossed
    )
    precision = wishart(random, inverse - crossed.T @ coefficients, width + sums.rows)
    root = np.linalg.cholesky(precision)
    mu = sums.total / (BETA0 + n) + _spread(random.normal(size=(1, width)), root)[0] / np.sqrt(BETA0 + n)
    if link_matrix.groups.size:
        noise = _spread(random.normal(size=coefficients.shape), root)
        factor = link_matrix.factored(ridges)[0]
        coefficients = coefficients + solve_triangular(factor, noise, lower=True, trans="T", check_finite=False)
    return RowPrior(mu - link_matrix.mean @ coefficients, coefficients, precision)


def draw_ridges(random: np.random.Generator, prior: RowPrior, link_matrix: LinkMatrix) -> np.ndarray:
    """One draw of every group's ridge given B and Λ, (groups,).

    Args:
        random: from `stream`.
        prior: the last draw of B and Λ.
        link_matrix: sums over the side's features.
    """
    of_column = np.einsum("dw,wv,dv->d", prior.weights, prior.precision, prior.weights)
    columns = np.bincount(link_matrix.groups, minlength=link_matrix.n_groups)
    rate = RIDGE_RATE + 0.5 * np.bincount(link_matrix.groups, of_column, minlength=link_matrix.n_groups)
    return random.gamma(RIDGE_SHAPE + 0.5 * columns * len(prior.offset)) / rate


def draw_noise_precision(random: np.random.Generator, squared_error: float, ratings: float) -> float:
    """One draw of the noise precision alpha given all residuals.

    Args:
        random: from `stream`.
        squared_error: Σ w (r − r̂)².
        ratings: number of ratings.
    """
    return float(random.gamma(NOISE_SHAPE + 0.5 * ratings) / (NOISE_RATE + 0.5 * squared_error))


def wishart(random: np.random.Generator, inverse_scale: np.ndarray, freedom: float) -> np.ndarray:
    """One draw from Wishart(freedom, inverse_scale⁻¹), (width, width), by Bartlett's decomposition.

    Args:
        random: random numbers.
        inverse_scale: (width, width).
        freedom: degrees of freedom.
    """
    width = len(inverse_scale)
    lower = np.tril(random.normal(size=(width, width)), -1)
    lower[np.diag_indices(width)] = np.sqrt(random.chisquare(freedom - np.arange(width)))
    # inverse_scale = C Cᵀ, so that (C⁻ᵀ lower)(C⁻ᵀ lower)ᵀ has the scale (C Cᵀ)⁻¹
    root = solve_triangular(np.linalg.cholesky(inverse_scale), lower, lower=True, trans="T", check_finite=False)
    return root @ root.T


def _spread(rows: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Standard normal rows → rows of covariance (root rootᵀ)⁻¹."""
    return solve_triangular(root, rows.T, lower=True, trans="T", check_finite=False).T
