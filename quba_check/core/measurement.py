"""Measurements: value, unit, n, interval and named parts, or a reason; and drops."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AllowInfNan, Strict

from quba_check.core.confidence import CONFIDENCE, ConfidenceCurve
from quba_check.core.request import Request, name_on_slices
from quba_check.number_format import UNIT_SIGNS, format_value

InfluencesOfSets = Mapping[Hashable, NDArray[np.float64]]
"""For each set of images (n,) influences of mean 0 in the unit of the value (`stats.estimate`)."""
GroupsOfSets = Mapping[Hashable, NDArray[np.int64]]
"""For each set whose images come in groups, (n,) identifiers of the group of each image."""
SidesOfSets = Mapping[Hashable, NDArray[np.int8]]
"""For each set, (n,) side of a number that an image counts for (`stats.clusters.Sides`)."""

TRANSFERRED = "transferred: "
"""Prefix of the notes on values under attacks that were computed on another model."""
MASKED = "masked: "
"""Prefix of the notes with the reasons in `Measurement.masked`."""
NO_EVIDENCE = "no evidence of robustness"
"""Meaning of a masked value, in every message."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The images behind a number, where they differ from n independent ones.

    Attributes:
        images: number of different images behind n, if they are shown in several versions; else None.
        groups: number of groups that count, of the set or side with the fewest; None without groups.
        effective: number of independent images that would have this error; None without groups or interval.
        eligible: number of images that can count whatever the model answers, if n depends on its answers; of
            a number with two sides those of the rarer one.
        eligible_groups: number of groups of these, for a gap in the slice alone; None without groups.
        eligible_of: the rarer side, `the class` or `another class`; empty for numbers without two sides.
    """

    images: int | None = None
    groups: int | None = None
    effective: float | None = None
    eligible: int | None = None
    eligible_groups: int | None = None
    eligible_of: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, sample size and confidence limits.

    Attributes:
        value: the number, finite, at full precision.
        unit: `fraction`, `ratio`, `nats`, `squared error`, `millions`, `megabytes`, `gigaflops`, `images`,
            or a custom dimension's own unit.
        n: number of images (rows of the shifted views if there are any; denominators do not count); None if
            the value does not depend on images.
        curve: confidence limits at all levels, for the expectation of the statistic over samples of n images;
            None if unknown.
        debiased: the value expected on infinitely many images; None if the statistic is unbiased.
        debiased_limit: one-sided 95 % limit of `debiased` on the bad side; None if unknown.
        influences: influence of each image, for the sampling error of functions of several values; not stored
            in records.
        sides: sides of the images behind the influences, of sets where not all count for the same one; not
            stored in records.
        sample: the images behind n.
        slices: the number on slices of the images, by column.
        notes: short notes that reports show next to the value, for example `masked: …`.
        classes: yields the number of each class by name, behind that of the worst class; not stored in
            records.
    """

    value: float
    unit: str
    n: int | None
    curve: ConfidenceCurve | None = None
    debiased: float | None = None
    debiased_limit: float | None = None
    influences: InfluencesOfSets = field(default_factory=dict, repr=False, compare=False)
    sides: SidesOfSets = field(default_factory=dict, repr=False, compare=False)
    sample: Sample = Sample()
    slices: Mapping[str, SliceValues] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    classes: Callable[[], Iterable[tuple[str, Quantity]]] | None = field(
        default=None, repr=False, compare=False
    )

    @property
    def different_images(self) -> int | None:
        """Number of different images behind the value; None if it does not depend on images."""
        return self.sample.images or self.n

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two-sided 95 % interval; None if unknown."""
        return None if self.curve is None else self.curve.interval(CONFIDENCE)

    @property
    def limits(self) -> tuple[float, ...] | None:
        """The one-sided limits at `SCORES`; None if unknown."""
        return None if self.curve is None else self.curve.limits

    def __repr__(self) -> str:
        return f"Quantity({_summary(self)})"


@dataclass(frozen=True, slots=True)
class SliceValues:
    """A number on the slices of a column, by names such as `lighting=night`.

    Numbers of each class have a value for each class and slice, such as `nevus, lighting=night`.

    Attributes:
        values: the number on the images of each slice.
        gaps: how much worse each slice is than all other images; positive is worse.
        unmeasured: reason for each slice without a value.
        sizes: number of images of each slice, also without a value.
        reason: why the column has no slices here; None if it has.
    """

    values: Mapping[str, Quantity] = field(default_factory=dict)
    gaps: Mapping[str, Quantity] = field(default_factory=dict)
    unmeasured: Mapping[str, Unmeasurable] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    reason: Unmeasurable | None = None


Cell = (
    Annotated[str, Strict()]
    | Annotated[int, Strict()]
    | Annotated[float, Strict(), AllowInfNan(allow_inf_nan=False)]
)
"""A cell of a table. Numbers are finite; their kind, whole or not, is kept."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of details behind a measurement, for reports. No demand reads it.

    Attributes:
        columns: the column names.
        rows: the rows, each with a cell for every column.
        note: a note for the reader, for example that a number is optimistic.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class _OfDimension:
    """Base of outcomes, without slots, so that `Measurement` can have those of `Quantity` too."""

    dimension: str


@dataclass(frozen=True, slots=True)
class Measurement(Quantity, _OfDimension):
    """The value of a dimension for a model on a suite, a `Quantity` with parts.

    Attributes:
        dimension: its name, the first argument.
        parts: named parts, in the order of reports.
        masked: signs that gradients misled the attacks, so that the value is no evidence of robustness.
        masked_at: likewise for the parts at another ε, by ε such as `4/255`, if there are any.
        levels: for the parts with a probability for each class, see `Request.levels`, by part.
        tables: tables of details by name, such as the accuracy of each class.
        groups_of_sets: groups of the images behind `influences`; not stored in records.
        unmeasured: reason for each requested part without a value, by its name.
        outputs: digest of the predictions behind the value; None if unknown.
        score: the score that separates images of no class; empty for other dimensions.
        transferred: the attacks behind it were computed on another model.
    """

    parts: Mapping[str, Quantity] = field(default_factory=dict)
    masked: tuple[str, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    groups_of_sets: GroupsOfSets = field(default_factory=dict, repr=False, compare=False)
    unmeasured: Mapping[str, Unmeasurable] = field(default_factory=dict)
    outputs: str | None = field(default=None, repr=False, compare=False)
    masked_at: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    levels: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    score: str = ""
    transferred: bool = False

    @property
    def whole(self) -> Quantity:
        """The value of the dimension alone."""
        return Quantity(**{item.name: getattr(self, item.name) for item in fields(Quantity)})

    def quantity(self, part: str | None) -> Quantity | None:
        """Return the value of the dimension or of a part, also on a slice."""
        if part is None:
            return None if "" in self.unmeasured else self.whole
        return self.parts.get(part) or dict(self.on_slices()).get(part)

    def on_slices(self) -> Iterator[tuple[str, Quantity]]:
        """Yield the name and value of each number on each slice."""
        for name, number in {"": self.whole, **self.parts}.items():
            for column in number.slices.values():
                for slice_name, quantity in column.values.items():
                    yield name_on_slices(name, slice_name), quantity

    @property
    def is_comparable(self) -> bool:
        """True if a population may hold it: neither masked nor of attacks on another model."""
        return not self.masked and not self.transferred

    def masked_for(self, request: Request) -> tuple[str, ...]:
        """Return the signs of masked gradients at the ε of a request."""
        return self.masked if request.epsilon is None else self.masked_at.get(str(request.epsilon), ())

    def __repr__(self) -> str:
        return f"Measurement({self.dimension} {_summary(self)})"

    @classmethod
    def of(
        cls,
        dimension: str,
        whole: Quantity,
        *,
        parts: Mapping[str, Quantity] | None = None,
        notes: tuple[str, ...] = (),
        masked: tuple[str, ...] = (),
        tables: Mapping[str, Table] | None = None,
    ) -> Measurement:
        """Return a measurement with the value of a quantity."""
        quantity = {item.name: getattr(whole, item.name) for item in fields(Quantity)}
        quantity["notes"] = (*whole.notes, *notes)
        return cls(dimension, **quantity, parts=parts or {}, masked=masked, tables=tables or {})


def _summary(number: Quantity) -> str:
    """Return value, unit, n and interval, such as `0.975 fraction, n=400, 0.954..0.988`."""
    unit = "" if number.unit in UNIT_SIGNS else f" {number.unit}"
    images = "" if number.n is None else f", n={number.n}"
    ends = "..".join(format_value(end, number.unit) for end in number.interval or ())
    return f"{format_value(number.value, number.unit)}{unit}{images}" + (ends and f", {ends}")


@dataclass(frozen=True, slots=True)
class Unmeasurable(_OfDimension):
    """A dimension without a value.

    Attributes:
        dimension: its name.
        reason: the reason, and a remedy if there is one.
        missing_data: True if a set is missing or its images allow no value (a demand may then be `optional`).
    """

    reason: str
    missing_data: bool = False

    @property
    def unmeasurable(self) -> str:
        """The reason, by its name in records."""
        return self.reason


Outcome = Measurement | Unmeasurable


@dataclass(frozen=True, slots=True)
class Drop(Quantity):
    """The drop of a dimension or part from a baseline; below 0 for an improvement.

    Relative drops are fractions of the baseline's value.

    Attributes:
        before: the baseline's value.
        after: the current value.
        baseline: name of the baseline in messages.
        paired: True if the limits use both models' answers to the same images.
        masked: see `Measurement`, for the current value.
        of_class: name of the class, for the largest drop of any class; else empty.
    """

    _: KW_ONLY
    before: float
    after: float
    baseline: str
    paired: bool
    masked: tuple[str, ...] = ()
    of_class: str = ""
