"""Durations that nobody knows for certain, by their quantiles.

Log-normal: durations are positive, and are as easily twice as long as half as long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

#: Standard deviations from the median to the 90th percentile.
Z90 = NormalDist().inv_cdf(0.9)
#: No run is shorter or longer, in seconds, and none is known better or worse.
SHORTEST_S, LONGEST_S = 1e-3, 1e9
SURE, UNSURE = 0.01, 2.0
_NORMAL = NormalDist()
#: A run that has outlasted more of its like than this is as likely to go on as one that has not.
_OUTLASTED = 0.995


@dataclass(frozen=True, slots=True)
class Span:
    """A duration: its median, and the standard deviation of its logarithm."""

    p50_s: float
    sigma: float

    @classmethod
    def of(cls, p50_s: float, sigma: float) -> Span:
        """The nearest one that can be computed with, whatever the numbers are."""
        return cls(_within(p50_s, SHORTEST_S, LONGEST_S), _within(sigma, SURE, UNSURE))

    @property
    def p90_s(self) -> float:
        """What nine of ten do not exceed."""
        return self.p50_s * math.exp(Z90 * self.sigma)

    @property
    def mean_s(self) -> float:
        """The expected value."""
        return self.p50_s * math.exp(self.sigma**2 / 2)

    @property
    def variance(self) -> float:
        """In square seconds."""
        return self.mean_s**2 * math.expm1(self.sigma**2)

    def left_after(self, elapsed_s: float) -> Span:
        """What remains of those that take longer than `elapsed_s`."""
        if not elapsed_s > SHORTEST_S:
            return self
        outlasted = _NORMAL.cdf(math.log(elapsed_s / self.p50_s) / self.sigma)
        outlasted = min(outlasted, _OUTLASTED)
        quantiles = (
            self.p50_s * math.exp(self.sigma * _NORMAL.inv_cdf(outlasted + q * (1 - outlasted)))
            for q in (0.5, 0.9)
        )
        # Where even the ninth of ten is over, the rest is by what has passed.
        low, high = (
            max(quantile - elapsed_s, share * elapsed_s * self.sigma)
            for quantile, share in zip(quantiles, (0.05, 0.25), strict=True)
        )
        return between(low, high)

    def times(self, factor: float) -> Span:
        """The same, so many times as long."""
        return Span.of(self.p50_s * factor, self.sigma)


def between(p50_s: float, p90_s: float) -> Span:
    """The span with these quantiles."""
    p50_s = _within(p50_s, SHORTEST_S, LONGEST_S)
    return Span.of(p50_s, math.log(_within(p90_s, p50_s, LONGEST_S) / p50_s) / Z90)


def total(mean_s: float, variance: float) -> Span:
    """The sum of spans whose means and variances add up to these."""
    if not (SHORTEST_S < mean_s < LONGEST_S and variance >= 0.0):  # else it is asked too often
        mean_s = _within(mean_s, SHORTEST_S, LONGEST_S)
        variance = _within(variance, 0.0, LONGEST_S**4)
    squared = math.log1p(variance / (mean_s * mean_s))
    sigma = min(max(math.sqrt(squared), SURE), UNSURE)
    return Span(max(mean_s * math.exp(-squared / 2), SHORTEST_S), sigma)


def added(spans: Iterable[Span]) -> Span:
    """One after the other, none of which depends on another."""
    kept = list(spans)
    return total(math.fsum(s.mean_s for s in kept), math.fsum(s.variance for s in kept))


def _within(value: float, least: float, most: float) -> float:
    """NaN is the least."""
    return min(max(value, least), most) if not math.isnan(value) else least
