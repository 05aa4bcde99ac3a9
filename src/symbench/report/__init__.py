"""The report: one self-contained page for all studies of a size."""
