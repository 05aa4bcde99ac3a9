"""Figures: a module each, with a `FIGURE` that makes a table of results and draws it."""
