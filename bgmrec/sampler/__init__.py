"""The Bayesian sampler: draws of both sides in place of solutions, with hyperpriors and linear links."""
