"""Encoders on Spark: the fit in several processes, and the prior means of whole tables."""
