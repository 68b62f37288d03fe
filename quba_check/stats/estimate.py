"""Numbers that carry their sampling error with them, image by image.

Most dimensions are smooth functions of shares: ratios, means of ratios, geometric means. To first order each
image adds its own deviation to such a number, and two numbers from the same images share those deviations.
Carrying them along gives the standard error of any such function, covariances included, without a formula
for each (the delta method by influence functions: Hampel, JASA 1974; Efron and Tibshirani, 1993, chapter 21).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Sample = Hashable
"""Names a set of images. Numbers from one sample are paired image by image; samples are independent."""
Deviations = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DeviationBounds:
    """The largest possible deviations of an image, with the images able to show them.

    Attributes:
        down: the largest deviation below 0, as a positive number.
        up: the largest deviation above 0.
        down_images: images that could have had the deviation `down`, by what the number is compared with.
        up_images: images that could have had the deviation `up`.
    """

    down: float
    up: float
    down_images: int
    up_images: int

    def scale(self, slope: float) -> DeviationBounds:
        """Return the room of a number times a constant; the constant may be negative."""
        if slope < 0:
            return DeviationBounds(-slope * self.up, -slope * self.down, self.up_images, self.down_images)
        return DeviationBounds(slope * self.down, slope * self.up, self.down_images, self.up_images)

    def __add__(self, other: DeviationBounds) -> DeviationBounds:
        return DeviationBounds(
            self.down + other.down,
            self.up + other.up,
            min(self.down_images, other.down_images),
            min(self.up_images, other.up_images),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A number computed from images.

    Attributes:
        value: the number.
        deviations: for each sample, (n,) float64 with mean 0: what the images add to `value`, so that
            `value` is off by about the mean of the deviations of n images drawn at random.
        bounds: for each sample the largest deviations that are possible; a sample that is missing here has
            deviations without known ends.

    >>> clean = Estimate.mean(np.array([1.0, 1.0, 1.0, 0.0]), "clean")
    >>> fog = Estimate.mean(np.array([1.0, 1.0, 0.0, 0.0]), "clean")
    >>> round((fog / clean).value, 4), round((fog / clean).standard_error, 4)
    (0.6667, 0.3143)
    >>> (clean / clean).standard_error
    0.0
    """

    value: float
    deviations: Mapping[Sample, Deviations] = field(default_factory=dict)
    bounds: Mapping[Sample, DeviationBounds] = field(default_factory=dict)

    @classmethod
    def mean(cls, values: NDArray[np.generic], sample: Sample, *, is_reference: bool = False) -> Estimate:
        """Mean of one number per image.

        Args:
            values: (n,) in [0, 1], n at least 1; booleans count as 0 and 1.
            sample: which images these are.
            is_reference: other numbers are compared with this one on the same images. A deviation that
                needs an image with the value 0 (or 1) could then only be shown by images that have it.
        """
        numbers = values.astype(np.float64)
        n, mean = len(numbers), float(numbers.mean())
        ones = int(np.count_nonzero(numbers > 0.5))
        seen = (n - ones, ones) if is_reference else (n, n)
        return cls(mean, {sample: numbers - mean}, {sample: DeviationBounds(mean, 1 - mean, *seen)})

    @property
    def standard_error(self) -> float:
        """Standard deviation of the number over redrawn images; infinite where a sample has one image."""
        return math.sqrt(sum(_variance(found) for found in self.deviations.values()))

    def scale(self, factor: float) -> Estimate:
        """The number times a constant."""
        return self._mapped(self.value * factor, factor)

    def log(self) -> Estimate:
        """Natural logarithm of a number above 0."""
        return self._mapped(math.log(self.value), 1 / self.value)

    def exp(self) -> Estimate:
        """The exponential."""
        value = math.exp(self.value)
        return self._mapped(value, value)

    def __add__(self, other: Estimate) -> Estimate:
        return delta_method(self.value + other.value, [(1.0, self), (1.0, other)])

    def __sub__(self, other: Estimate) -> Estimate:
        return delta_method(self.value - other.value, [(1.0, self), (-1.0, other)])

    def __mul__(self, other: Estimate) -> Estimate:
        return delta_method(self.value * other.value, [(other.value, self), (self.value, other)])

    def __truediv__(self, other: Estimate) -> Estimate:
        value = self.value / other.value
        return delta_method(value, [(1 / other.value, self), (-value / other.value, other)])

    def _mapped(self, value: float, slope: float) -> Estimate:
        return Estimate(
            value,
            {sample: slope * found for sample, found in self.deviations.items()},
            {sample: bound.scale(slope) for sample, bound in self.bounds.items()},
        )


def delta_method(value: float, terms: Iterable[tuple[float, Estimate]]) -> Estimate:
    """A function of several estimates.

    Args:
        value: the function's value.
        terms: (slope of the function in the estimate, the estimate); estimates from one sample must have
            the same images in the same order.

    Raises:
        ValueError: two estimates call sets of different sizes one sample.
    """
    deviations: dict[Sample, Deviations] = {}
    bounds: dict[Sample, DeviationBounds] = {}
    for slope, term in terms:
        for sample, bound in term.bounds.items():
            scaled = bound.scale(slope)
            bounds[sample] = bounds[sample] + scaled if sample in bounds else scaled
        for sample, found in term.deviations.items():
            if sample not in deviations:
                deviations[sample] = slope * found
            elif len(deviations[sample]) == len(found):
                deviations[sample] = deviations[sample] + slope * found
            else:
                raise ValueError(
                    f"sample {sample!r}: {len(deviations[sample])} and {len(found)} images. "
                    "Allowed: the same images in the same order."
                )
    return Estimate(value, deviations, bounds)


def mean_of(estimates: Iterable[Estimate]) -> Estimate:
    """Arithmetic mean of one or more estimates."""
    found = list(estimates)
    value = math.fsum(term.value for term in found) / len(found)
    return delta_method(value, [(1 / len(found), term) for term in found])


def geometric_mean_of(estimates: Iterable[Estimate]) -> Estimate:
    """Geometric mean of one or more estimates above 0."""
    return mean_of(term.log() for term in estimates).exp()


def _variance(deviations: Deviations) -> float:
    n = len(deviations)
    return float(deviations @ deviations) / (n * (n - 1)) if n > 1 else math.inf
