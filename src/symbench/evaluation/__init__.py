"""Evaluation: one loop that measures a trained model, and the reader of what it wrote."""
