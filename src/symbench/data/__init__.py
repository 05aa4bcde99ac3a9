"""Data sets: where data come from, and their splits, losses, scores and symmetries."""
