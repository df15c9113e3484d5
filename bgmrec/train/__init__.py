"""Training: rounds of half steps and encoder fits, with checkpoints, resume and warm start."""
