"""Registration and lookup of dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, Better, CheckSuite, Dimension, Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Predictions
from quba_check.core.view import View
from quba_check.dimensions._validation import origin, validated_dimension
from quba_check.errors import DimensionError, QubaError, UserError
from quba_check.messages import did_you_mean, listed

MeasureFunction = Callable[[Mapping[View, Predictions], Facts], Measurement]
ENTRY_POINTS = "quba_check.dimensions"


class Registry:
    """Dimensions by name: the nine published ones first, then others in order of registration."""

    def __init__(self) -> None:
        self._dimensions: dict[str, Dimension] = {}

    def register(self, dimension: Dimension) -> None:
        """Add a dimension, or replace one declared at the same file and line.

        Raises:
            DimensionError: its declaration has a mistake, or its name is taken.
        """
        other = self._dimensions.get(dimension.name)
        if other is not None and origin(other.measure) != origin(dimension.measure):
            raise DimensionError(
                f"the dimension '{dimension.name}' is already registered by {origin(other.measure)}. "
                "Give yours another name.",
                where=origin(dimension.measure),
            )
        self._dimensions[dimension.name] = validated_dimension(dimension)

    def __iter__(self) -> Iterator[Dimension]:
        return iter([self._dimensions[name] for name in self.names])

    def __contains__(self, name: object) -> bool:
        return name in self._dimensions

    def __getitem__(self, name: str) -> Dimension:
        if name not in self._dimensions:
            raise UserError(
                f"unknown dimension '{name}'", allowed=listed(self.names), hint=did_you_mean(name, self.names)
            )
        return self._dimensions[name]

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the published ones first."""
        published = [name for name in PUBLISHED_DIMENSIONS if name in self._dimensions]
        return (*published, *(name for name in self._dimensions if name not in PUBLISHED_DIMENSIONS))

    def load_entry_points(self) -> None:
        """Import the dimensions of installed packages (entry points `quba_check.dimensions`).

        Raises:
            DimensionError: one of them cannot be imported, or its declaration has a mistake.
        """
        for entry_point in entry_points(group=ENTRY_POINTS):
            try:
                entry_point.load()
            except QubaError:
                raise
            except Exception as error:
                package = entry_point.dist.name if entry_point.dist else entry_point.module
                raise DimensionError(
                    f"its entry point '{entry_point.name}' ({ENTRY_POINTS}) cannot be loaded: "
                    f"{type(error).__name__}: {error}. Fix or uninstall {package}.",
                    where=package,
                ) from error


registry = Registry()


def dimension(
    name: str,
    *,
    title: str,
    unit: str,
    better: Better,
    source: str,
    views: Callable[[SuiteFacts], tuple[View, ...]] | Sequence[View] = (),
    parts: Callable[[SuiteFacts], tuple[Part, ...]] | Sequence[Part] = (),
    weight: float = 0.0,
    check_suite: CheckSuite = lambda _suite, _labels: None,
) -> Callable[[MeasureFunction], MeasureFunction]:
    """Register the decorated function as the measure of a dimension.

    Args:
        name: name in threshold files, node ids, records and reports.
        title: a description in one sentence.
        unit: unit of the value.
        better: `high` or `low`.
        source: paper or other source of the definition.
        views: the views that it needs, or a function of the suite's facts that returns them.
        parts: its named parts, likewise.
        weight: default weight in the QUBA score; 0 for dimensions outside it.
        check_suite: raises `UnmeasurableError` if the labels of a suite's sets, given by view, allow no
            value; a run reports this before it starts.

    Returns:
        A decorator for `measure(predictions, facts) -> Measurement`.
    """
    views_of = views if callable(views) else lambda _suite, fixed=tuple(views): fixed
    parts_of = parts if callable(parts) else lambda _suite, fixed=tuple(parts): fixed

    def register(measure: MeasureFunction) -> MeasureFunction:
        registry.register(
            Dimension(name, title, unit, better, weight, source, views_of, parts_of, measure, check_suite)
        )
        return measure

    return register
