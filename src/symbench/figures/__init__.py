"""Figures: one module each, with `draw(results) -> Figure`; `draw.draw` finds and saves them."""
