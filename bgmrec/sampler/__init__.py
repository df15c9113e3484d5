"""The Bayesian sampler: draws both sides instead of solving them, with hyperpriors and link matrices."""
