"""Encoders of side information: networks, losses and the fit (Torch, no Spark); `distributed/` runs them on Spark."""
