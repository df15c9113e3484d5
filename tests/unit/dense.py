"""Dense problems for the solvers: a rating matrix with its mask, factors and priors, and NumPy's solution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.factorize.kernels.conjugate import shared_basis, solve_block_cg
from bgmrec.factorize.kernels.layout import RatingBlock, build_block
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.solve import solve_block
from bgmrec.factorize.kernels.terms import Regularisation, SolvedBlock, Unobserved, source_gram
from tests.reference import normal_equations as reference


@dataclass(frozen=True)
class Problem:
    """Dense (n_dst, n_src) ratings, weights and mask, factors of the fixed side, priors of the solved one."""

    ratings: np.ndarray
    weights: np.ndarray
    observed: np.ndarray
    src: np.ndarray
    prior: np.ndarray
    shape: ModelShape
    regularisation: Regularisation
    alpha0: float

    def block(self) -> RatingBlock:
        dst, src = np.nonzero(self.observed)
        triples = dst.astype(np.int32), src.astype(np.int32)
        values = self.ratings[self.observed].astype(np.float32), self.weights[self.observed].astype(np.float32)
        return build_block(0, 1, len(self.observed), *triples, *values)

    def solve(self) -> SolvedBlock:
        block = self.block()
        unobserved = Unobserved(self.alpha0, source_gram(self.src, self.shape)) if self.alpha0 else None
        positions = block.src_ids[block.src_pos]
        return solve_block(block, self.src, positions, self.prior, self.shape, self.regularisation, unobserved)

    def take_steps(self, steps: int, start: np.ndarray | None = None) -> SolvedBlock:
        block = self.block()
        unobserved = Unobserved(self.alpha0, source_gram(self.src, self.shape))
        basis = shared_basis(unobserved, self.shape, self.regularisation)
        return solve_block_cg(
            block, basis.design(self.src), block.src_ids[block.src_pos], self.prior, start,
            self.regularisation, unobserved, basis, steps=steps,
        )  # fmt: skip

    def options(self) -> dict:
        shape = self.shape
        return {"rank": shape.rank, "bias": shape.bias, "alpha0": self.alpha0}

    def ridge(self) -> dict:
        numbers = self.regularisation
        return {"reg": numbers.reg, "bias_reg": numbers.bias_reg, "exponent": numbers.exponent}

    def expected(self) -> np.ndarray:
        matrices = self.ratings, self.weights, self.observed, self.src.astype(float), self.prior.astype(float)
        return reference.half_step(*matrices, mean=self.shape.mean, **self.options(), **self.ridge())

    def objective(self, factors: np.ndarray) -> tuple[float, float]:
        """Squared error and penalty of a solved side."""
        dense = self.ratings, self.weights, self.observed, factors.astype(float), self.src.astype(float)
        error = reference.squared_error(*dense, mean=self.shape.mean, **self.options())
        return error, reference.penalty(self.observed, dense[3], self.prior, **self.options(), **self.ridge())


def problem(
    *, n_dst=23, n_src=90, rank=5, bias=True, mean=0.0, reg=2.0, bias_reg=0.5, exponent=0.0, alpha0=0.0, weighted=False,
    prior=True, share=0.4, seed=0,
) -> Problem:  # fmt: skip
    random = np.random.default_rng(seed)
    shape = ModelShape(rank, bias, mean)
    observed = random.random((n_dst, n_src)) < share
    observed[n_dst // 2] = False  # a cold row
    observed[0] = True  # longer than a panel
    ratings = random.integers(0, 2, (n_dst, n_src)) if alpha0 else random.integers(1, 6, (n_dst, n_src))
    weights = random.uniform(0.5, 3.0, (n_dst, n_src)) if weighted else np.ones((n_dst, n_src))
    src = random.normal(0, 0.6, (n_src, shape.width)).astype(np.float32)
    means = random.normal(0, 0.5, (n_dst, shape.width)).astype(np.float32) * prior
    numbers = Regularisation(reg, bias_reg, exponent)
    return Problem(ratings.astype(np.float64), weights, observed, src, means, shape, numbers, alpha0)
