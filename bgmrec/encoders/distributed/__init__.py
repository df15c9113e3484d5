"""Encoders over Spark: their fit in several processes, and prior means of whole tables."""
