"""Implicit mode without a Cholesky factorization per row: conjugate gradients where the shared part is diagonal.

Of a row's equation (solve.py) H = alpha0 Σ_all d dᵀ and s_i P are known before its ratings. With T such that

    Tᵀ P T = I,   Tᵀ H T = diag(shared)         P^(−1/2) H P^(−1/2) = Q diag(shared) Qᵀ,  T = P^(−1/2) Q

and x = T y, design rows become Tᵀ d and the equation (diag(s_i + shared) + Σ_Ω w Tᵀd dᵀT) y = …: all that millions of
unobserved pairs and the prior say is a diagonal, which preconditions exactly. Where a row has fewer ratings than
steps, the steps solve it. Conjugate gradients for implicit feedback: Takács, Pilászy, Tikk (RecSys 2011), who take
the shared part as it comes. A step never raises the row's objective, so that rounds go on from the last one's rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.factorize.kernels import descent
from bgmrec.factorize.kernels.equation import Source
from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.rank_updates import SOLVED
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.solve import as_contiguous, not_solved, rated_of
from bgmrec.factorize.kernels.terms import Regularisation, SolvedBlock, Unobserved, evaluated, row_scales
from bgmrec.factorize.kernels.vectors import LANES
from bgmrec.storage.arrays import FLOAT


@dataclass(frozen=True)
class Basis:
    """T, and what it makes of the part that all rows share.

    Args:
        shape: of the model.
        to_model: T, float64 (width, width): x = T y.
        from_model: its inverse Tᵀ P.
        shared: float64 (width,), the diagonal of Tᵀ H T.
        right: float64 (width,), −alpha0 Tᵀ Σ_all o d.
    """

    shape: ModelShape
    to_model: np.ndarray
    from_model: np.ndarray
    shared: np.ndarray
    rhs: np.ndarray

    @property
    def design_width(self) -> int:
        """Floats of a design row: the width, and the fixed side's bias behind it."""
        return self.shape.width + self.shape.bias

    def design(self, rows: np.ndarray) -> np.ndarray:
        """Factors of the fixed side, float32 (n, width) → [Tᵀ d, b], float32 (n, design_width)."""
        rank = self.shape.rank
        turned = rows[:, :rank] @ self.to_model[:rank].astype(FLOAT)
        if not self.shape.bias:
            return turned
        return np.hstack([turned + self.to_model[rank].astype(FLOAT), rows[:, rank:]])


def shared_basis(unobserved: Unobserved, shape: ModelShape, regularisation: Regularisation) -> Basis:
    """The basis of one half step."""
    kept = [*range(shape.rank), *([shape.rank + 1] if shape.bias else [])]
    gram = unobserved.weight * unobserved.gram
    diagonal = regularisation.diagonal(shape)
    root = 1 / np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(root[:, None] * gram[np.ix_(kept, kept)] * root)
    to_model = root[:, None] * vectors
    return Basis(shape, to_model, to_model.T * diagonal, np.maximum(values, 0.0), -to_model.T @ gram[kept, shape.rank])


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
    """Brings every row of a block nearer to its solution; a row without ratings is its prior, exactly.

    Args:
        design: float32 (n, design_width), of Basis.design.
        positions: int32 (ratings,), each rating's row in `design`.
        prior: float32 (n_rows, width); None is zero.
        start: float32 (n_rows, width), where to start from; None: at the prior.
        basis: of this half step.
        steps: conjugate gradient steps.
        num_blocks: of the solved side, to name the entity in an error.

    Raises:
        TrainingError: a row's result is not finite.
    """
    shape = basis.shape
    prior = np.zeros((block.n_rows, shape.width), FLOAT) if prior is None else prior
    scales = row_scales(block, unobserved, regularisation.exponent)
    into = basis.from_model.astype(FLOAT).T
    means = prior @ into
    out, errors = means.copy() if start is None else start @ into, np.zeros(block.n_rows)
    size = -(-shape.width // LANES) * LANES
    shared = np.zeros((2, size))
    shared[:, : shape.width] = basis.shared, basis.rhs
    failed = descent.descend_rows(
        Source(as_contiguous(design, FLOAT).reshape(-1), design.shape[1], shape.width, float(shape.mean)),
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
        raise not_solved(block, failed, num_blocks)
    factors = (out @ basis.to_model.T.astype(FLOAT)).astype(FLOAT)
    cold = np.diff(block.row_offsets) == 0
    factors[cold] = prior[cold]
    return evaluated(factors, errors, prior, regularisation.diagonal(shape), scales, shape, unobserved)
