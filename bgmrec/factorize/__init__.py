"""Probabilistic matrix factorization: compiled kernels without Spark, block layouts, and the distributed half step."""
