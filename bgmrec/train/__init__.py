"""Rounds of half steps and encoder refits, with checkpoints, resume and warm start."""
