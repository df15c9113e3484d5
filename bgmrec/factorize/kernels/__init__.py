"""Mathematics of the half step: normal equations, solvers, block layouts. Compiled by numba; no Spark."""
