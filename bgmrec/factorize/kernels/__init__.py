"""The mathematics of a half step: normal equations, solvers, layouts. Compiled by numba, no Spark."""
