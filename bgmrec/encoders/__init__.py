"""Encoders of side information: the networks, their losses and their fit (Torch only), and what distributes them."""
