"""bgmrec: a distributed batch recommender for video background music."""

__version__ = "0.1.0"
