"""Data, audit, training and evaluation: what their commands do, from a run to its files."""
