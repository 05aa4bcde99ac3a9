"""Numbers in words."""

import math


def interval(value: float, low: float, high: float) -> str:
    """A value with its 95 % interval, in words."""
    if not math.isfinite(value):
        return f"{value} (not finite)"
    if math.isnan(low) or math.isnan(high):
        return f"{value:.3g} (no interval)"
    if low == high:
        return f"{value:.3g}"
    return f"{value:.3g} [{low:.3g}, {high:.3g}]"
