"""Weighted samples: what is in their middle, how wide they lie, how they grow with size."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.spans import Z90

#: (weight, value, size) of one sample; value and size are logarithms, size relative to what is
#: asked for.
Sample = tuple[float, float, float]


def at_size(samples: Sequence[Sample], slope: float, firmness: float) -> list[tuple[float, float]]:
    """Weights and values as they would be at size 0.

    The slope is found by least squares, and drawn to `slope` as firmly as `firmness` samples of
    another size (by a factor of e) would.
    """
    weight = sum(w for w, _, _ in samples)
    if not weight > 0:
        return []
    mean_y = sum(w * y for w, y, _ in samples) / weight
    mean_x = sum(w * x for w, _, x in samples) / weight
    with_size = sum(w * (x - mean_x) * (y - mean_y) for w, y, x in samples)
    spread = sum(w * (x - mean_x) ** 2 for w, _, x in samples)
    found = (with_size + firmness * slope) / (spread + firmness)
    found = min(max(found, 0.0), 2.0)
    return [(w, y - found * x) for w, y, x in samples]


def quantile(samples: Sequence[tuple[float, float]], share: float) -> float:
    """The value below which lies this share of the weight, between two samples in proportion."""
    ordered = sorted((value, weight) for weight, value in samples if weight > 0)
    sought = share * sum(weight for _, weight in ordered)
    passed, before, middle_before = 0.0, ordered[0][0], 0.0
    for value, weight in ordered:
        middle = passed + weight / 2
        if middle >= sought:
            way = (
                (sought - middle_before) / (middle - middle_before) if middle > middle_before else 1
            )
            return before + (value - before) * min(max(way, 0.0), 1.0)
        passed, before, middle_before = passed + weight, value, middle
    return ordered[-1][0]


def middle_and_width(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The median, and a standard deviation for which a few odd samples matter little."""
    median = quantile(samples, 0.5)
    apart = [(weight, abs(value - median)) for weight, value in samples]
    # Of a normal distribution 80 % lie within Z90 deviations.
    return median, quantile(apart, 0.8) / Z90
