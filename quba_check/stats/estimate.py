"""Numbers with their sampling error, image by image (delta method by influence functions).

Most dimensions are smooth functions of shares: ratios, means of ratios, geometric means. To first order each
image adds its own influence to such a number, and two numbers from the same images share these influences.
Their sum gives the standard error of any such function, covariances included, without a formula for each.

Source: Hampel, JASA 1974; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 21.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SampleName = Hashable
"""Names a set of images. Numbers from one sample are paired image by image; samples are independent."""
Influences = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class InfluenceBounds:
    """The largest possible influences of an image.

    Attributes:
        down: largest influence below 0, as a positive number.
        up: largest influence above 0.
        down_images: number of images that could have the influence `down`.
        up_images: number of images that could have the influence `up`.
    """

    down: float
    up: float
    down_images: int
    up_images: int

    def scale(self, slope: float) -> InfluenceBounds:
        """Return the bounds of a number times a constant; the constant may be negative."""
        if slope < 0:
            return InfluenceBounds(-slope * self.up, -slope * self.down, self.up_images, self.down_images)
        return InfluenceBounds(slope * self.down, slope * self.up, self.down_images, self.up_images)

    def __add__(self, other: InfluenceBounds) -> InfluenceBounds:
        return InfluenceBounds(
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
        influences: for each sample, (n,) float64 with mean 0, in the unit of the number: the influence of
            each image. The error of `value` is about the mean influence of n images drawn at random.
        bounds: for each sample the largest possible influences; missing if they are unknown.

    >>> clean = Estimate.mean(np.array([1.0, 1.0, 1.0, 0.0]), "clean")
    >>> fog = Estimate.mean(np.array([1.0, 1.0, 0.0, 0.0]), "clean")
    >>> round((fog / clean).value, 4), round((fog / clean).standard_error, 4)
    (0.6667, 0.3143)
    >>> (clean / clean).standard_error
    0.0
    """

    value: float
    influences: Mapping[SampleName, Influences] = field(default_factory=dict)
    bounds: Mapping[SampleName, InfluenceBounds] = field(default_factory=dict)

    @classmethod
    def mean(cls, values: NDArray[np.generic], sample: SampleName, *, is_reference: bool = False) -> Estimate:
        """Mean of one number per image.

        Args:
            values: (n,) in [0, 1], n at least 1; booleans count as 0 and 1.
            sample: name of these images.
            is_reference: other numbers are compared with this one on the same images. An influence of an
                image with the value 0 (or 1) can then only occur on images that have this value.

        Returns:
            The mean in [0, 1].
        """
        numbers = values.astype(np.float64)
        n = len(numbers)
        mean = float(numbers.mean())
        ones = int(np.count_nonzero(numbers > 0.5))
        images = (n - ones, ones) if is_reference else (n, n)
        return cls(mean, {sample: numbers - mean}, {sample: InfluenceBounds(mean, 1 - mean, *images)})

    @property
    def standard_error(self) -> float:
        """Standard error of the number; infinite if a sample has a single image."""
        variance = 0.0
        for influences in self.influences.values():
            n = len(influences)
            variance += float(influences @ influences) / (n * (n - 1)) if n > 1 else math.inf
        return math.sqrt(variance)

    def log(self) -> Estimate:
        """Return the natural logarithm of a number above 0."""
        return delta_method(math.log(self.value), [(1 / self.value, self)])

    def exp(self) -> Estimate:
        """Return the exponential."""
        value = math.exp(self.value)
        return delta_method(value, [(value, self)])

    def __sub__(self, other: Estimate) -> Estimate:
        return delta_method(self.value - other.value, [(1.0, self), (-1.0, other)])

    def __truediv__(self, other: Estimate) -> Estimate:
        value = self.value / other.value
        return delta_method(value, [(1 / other.value, self), (-value / other.value, other)])


def delta_method(value: float, terms: Iterable[tuple[float, Estimate]]) -> Estimate:
    """Return a smooth function of several estimates with its sampling error to first order.

    Args:
        value: the function's value.
        terms: (partial derivative of the function, estimate); estimates from one sample must have the same
            images in the same order.

    Raises:
        ValueError: two estimates from one sample have different numbers of images.
    """
    influences: dict[SampleName, Influences] = {}
    bounds: dict[SampleName, InfluenceBounds] = {}
    for slope, term in terms:
        for sample, bound in term.bounds.items():
            scaled = bound.scale(slope)
            bounds[sample] = bounds[sample] + scaled if sample in bounds else scaled
        for sample, influence in term.influences.items():
            if sample not in influences:
                influences[sample] = slope * influence
            elif len(influences[sample]) == len(influence):
                influences[sample] = influences[sample] + slope * influence
            else:
                counts = f"{len(influences[sample])} and {len(influence)}"
                raise ValueError(f"sample {sample!r}: {counts} images instead of the same")
    return Estimate(value, influences, bounds)


def mean_of(estimates: Iterable[Estimate]) -> Estimate:
    """Arithmetic mean of one or more estimates."""
    terms = list(estimates)
    value = math.fsum(term.value for term in terms) / len(terms)
    return delta_method(value, [(1 / len(terms), term) for term in terms])


def geometric_mean_of(estimates: Iterable[Estimate]) -> Estimate:
    """Geometric mean of one or more estimates above 0."""
    return mean_of(term.log() for term in estimates).exp()


def geometric_mean(values: Iterable[float]) -> float:
    r"""Geometric mean: the n-th root of the product of n values.

    ```math
    \left( \prod_{k=1}^{n} x_k \right)^{1/n}
    ```

    It is 0 if one value is 0: no other quality compensates for one that is missing altogether.

    Args:
        values: at least one, all ≥ 0.

    Returns:
        A number between the lowest and the highest value.

    Examples:
        >>> geometric_mean([0.25, 1.0])
        0.5
        >>> geometric_mean([0.0, 0.9])
        0.0
    """
    values = list(values)
    if len(values) == 1:
        return values[0]  # exactly
    return 0.0 if 0 in values else statistics.geometric_mean(values)
