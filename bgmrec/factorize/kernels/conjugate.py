"""Conjugate gradients for implicit mode: no Cholesky factorization per row.

In a row's equation (solve.py), H = alpha0 Σ_all d dᵀ and the prior's P are the same for every row. Choose T so that

    Tᵀ P T = I,   Tᵀ H T = diag(shared)         P^(−1/2) H P^(−1/2) = Q diag(shared) Qᵀ,  T = P^(−1/2) Q

With x = T y the design rows become Tᵀ d, and the equation of a row becomes

    (diag(s_i + shared) + Σ_Ω w Tᵀd dᵀT) y = Tᵀ rhs

The diagonal holds the prior and all unobserved pairs exactly, and serves as the preconditioner. A row with fewer
ratings than steps is solved exactly. A step never raises the row's objective, so that every round can start from the
factors of the round before.

Source: Takács, Pilászy, Tikk, Applications of the Conjugate Gradient Method for Implicit Feedback, RecSys 2011; they
do not diagonalise the shared part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.factorize.kernels import descent
from bgmrec.factorize.kernels.equation import SourceRows
from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.row_loops import SOLVED
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.solve import as_contiguous, rated_of, unsolved_row
from bgmrec.factorize.kernels.terms import (
    Regularisation,
    SolvedBlock,
    Unobserved,
    design_sums,
    row_scales,
    solved_block,
)
from bgmrec.factorize.kernels.vectors import LANES
from bgmrec.storage.arrays import FLOAT


@dataclass(frozen=True)
class Basis:
    """T, and the part of the equation that all rows share, in the coordinates y.

    Args:
        shape: shape of the model.
        to_model: T, float64 (width, width): x = T y.
        from_model: T⁻¹ = Tᵀ P, float64 (width, width).
        shared: the diagonal of Tᵀ H T, float64 (width,).
        rhs: −alpha0 Tᵀ Σ_all o d, float64 (width,).
    """

    shape: ModelShape
    to_model: np.ndarray
    from_model: np.ndarray
    shared: np.ndarray
    rhs: np.ndarray

    @property
    def design_width(self) -> int:
        """Floats of a design row: the width of a factor row, then the fixed side's bias where the model has one."""
        return self.shape.width + self.shape.bias

    def design(self, rows: np.ndarray) -> np.ndarray:
        """Design rows [Tᵀ d, b], float32 (n, design_width), of the fixed side's factors, float32 (n, width)."""
        rank = self.shape.rank
        latent = rows[:, :rank] @ self.to_model[:rank].astype(FLOAT)
        if not self.shape.bias:
            return latent
        return np.hstack([latent + self.to_model[rank].astype(FLOAT), rows[:, rank:]])


def shared_basis(unobserved: Unobserved, shape: ModelShape, regularisation: Regularisation) -> Basis:
    """The basis of one half step.

    Args:
        unobserved: alpha0 and the Gram matrix of the fixed side.
        shape: shape of the model.
        regularisation: of the solved side; every λ is above 0.
    """
    sums = design_sums(unobserved.weight * unobserved.gram, shape)
    diagonal = regularisation.diagonal(shape)
    root = 1 / np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(root[:, None] * sums.gram * root)
    to_model = root[:, None] * vectors
    return Basis(shape, to_model, to_model.T * diagonal, np.maximum(values, 0.0), -to_model.T @ sums.offsets)


def solve_block_cg(
    block: RatingBlock,
    design: np.ndarray,
    positions: np.ndarray,
    prior: np.ndarray | None,
    start: np.ndarray | None,
    regularisation: Regularisation,
    unobserved: Unobserved,
    basis: Basis,
    *,
    steps: int,
    num_blocks: int = 1,
) -> SolvedBlock:
    """Takes conjugate gradient steps for every row of a block; a row without ratings gets exactly its prior mean.

    Args:
        block: the ratings of the solved side's block.
        design: design rows of the fixed side from `Basis.design`, float32 (n, design_width).
        positions: each rating's row in `design`, int32 (ratings,).
        prior: prior means, float32 (n_rows, width); None: zero.
        start: factors to start from, float32 (n_rows, width); None: the prior means.
        regularisation: of the solved side.
        unobserved: alpha0 and the Gram matrix of the fixed side.
        basis: basis of this half step.
        steps: number of conjugate gradient steps.
        num_blocks: blocks of the solved side; an error needs it to name the entity.

    Raises:
        TrainingError: a row's result is not finite.
    """
    shape = basis.shape
    prior = np.zeros((block.n_rows, shape.width), FLOAT) if prior is None else prior
    counts = np.diff(block.row_offsets)
    scales = row_scales(counts, unobserved, regularisation.exponent)
    from_model = basis.from_model.astype(FLOAT).T
    means = prior @ from_model
    out, errors = means.copy() if start is None else start @ from_model, np.zeros(block.n_rows)
    size = -(-shape.width // LANES) * LANES
    shared = np.zeros((2, size))
    shared[:, : shape.width] = basis.shared, basis.rhs
    failed = descent.descend_rows(
        SourceRows(as_contiguous(design, FLOAT).reshape(-1), design.shape[1], shape.width, float(shape.mean)),
        as_contiguous(block.row_offsets, np.int64),
        rated_of(block, positions),
        float(unobserved.weight),
        descent.Shared(as_contiguous(shared[0], FLOAT), as_contiguous(shared[1], FLOAT)),
        as_contiguous(means, FLOAT),
        as_contiguous(scales, np.float64),
        steps,
        out,
        errors,
    )
    if failed != SOLVED:
        raise unsolved_row(block, failed, num_blocks)
    factors = (out @ basis.to_model.T.astype(FLOAT)).astype(FLOAT)
    cold = counts == 0
    factors[cold] = prior[cold]
    return solved_block(factors, errors, prior, regularisation.diagonal(shape), scales, shape, unobserved)
