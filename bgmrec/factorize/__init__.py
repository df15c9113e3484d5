"""Probabilistic matrix factorization: normal equations and solvers (no Spark), and the distributed half step."""
