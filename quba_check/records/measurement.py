"""Rows of measurements or of reasons for their absence, converted from and to outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    AliasPath,
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.dimension import Better, Dimension
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import (
    Cell,
    Measurement,
    Outcome,
    Quantity,
    Sample,
    SliceValues,
    Table,
    Unmeasurable,
)
from quba_check.core.request import name_on_slices
from quba_check.errors import DimensionError
from quba_check.messages import printable, printable_lines

Number = Annotated[float, Strict(), AllowInfNan(False)]
"""A finite number. Strings are rejected."""
RecordCount = Annotated[int, Strict(), Field(ge=0)]
AnyQuantityRow = TypeVar("AnyQuantityRow", bound="QuantityRow")
TOLERANCE = 1e-9
"""Tolerance for a value outside its limits, relative to the larger of its size and 1."""


class JsonRow(BaseModel):
    """Base of the parts of a record: frozen, ignores unknown keys, keeps NaN and infinity.

    All text is made safe to show when a row is built or read, so that no report has to do it. A subclass
    names fields of several lines in `_of_lines`, and those that must stay as they are in `_exact`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants", defer_build=True)
    _of_lines: ClassVar[frozenset[str]] = frozenset()
    _exact: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*")
    @classmethod
    def _make_printable(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name in cls._exact:
            return value
        return printable_lines(value) if info.field_name in cls._of_lines else printable(value)

    def to_json(self) -> str:
        """Return the row as indented JSON text, numbers at full precision."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def _aliases(name: str) -> AliasChoices:
    """Return the places of a field in records and in values of `core`."""
    return AliasChoices(name, AliasPath("sample", name))


class QuantityRow(JsonRow):
    """A value with unit, n, confidence limits and better direction (None: reported only).

    Attributes:
        value: the value, in its unit.
        unit: `fraction`, `ratio`, `nats`, `squared error`, `millions`, `megabytes`, `gigaflops`, `images`,
            or that of a custom dimension.
        n: number of images; None if the value does not depend on images.
        images: number of different images behind n, if shown in several versions.
        groups: number of groups of images, of the set with the fewest; None without groups.
        effective: number of independent images that would have this error; None without groups or interval.
        eligible: number of images that can count whatever the model answers, if n depends on its answers; of
            a number with two sides those of the rarer one.
        eligible_groups: number of groups of these, for a gap in the slice alone; None without groups.
        eligible_of: the rarer side, `the class` or `another class`; empty for numbers without two sides.
        better: direction in which the value is better; None for parts that are only reported.
        requested: it was measured only because a demand asks for it.
        slices: the number on slices of the images, by column.
        notes: notes that reports show next to the value.
        interval: two-sided 95 % interval; None if unknown.
        limits: one-sided limits at the normal scores −4, −3.75, …, 4, for intervals at other levels.
        debiased: estimate of the value on infinitely many images, if n of them bias the statistic.
        debiased_limit: its one-sided 95 % limit on the bad side, if known.
    """

    model_config = ConfigDict(alias_generator=AliasGenerator(validation_alias=_aliases))

    value: Number
    unit: str
    n: RecordCount | None = None
    interval: tuple[Number, Number] | None = None
    limits: tuple[Number, ...] | None = None
    debiased: Number | None = None
    debiased_limit: Number | None = None
    images: RecordCount | None = None
    groups: RecordCount | None = None
    effective: Number | None = None
    eligible: RecordCount | None = None
    eligible_groups: RecordCount | None = None
    eligible_of: str = ""
    better: Better | None = None
    requested: bool = False
    slices: dict[str, SliceValuesRow] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @field_validator("interval", "limits")
    @classmethod
    def _check_limits(
        cls, limits: tuple[float, ...] | None, info: ValidationInfo
    ) -> tuple[float, ...] | None:
        if limits is None:
            return None
        if info.field_name == "limits" and len(limits) != len(SCORES):
            raise _invalid(f"{len(limits)} numbers", f"{len(SCORES)} numbers, or null")
        for before, after in pairwise(limits):
            if after < before:
                raise _invalid(f"{before:g} before {after:g}", "numbers that do not descend")
        value = info.data.get("value")
        tolerance = TOLERANCE * max(1.0, abs(value or 0.0))
        if value is not None and not limits[0] - tolerance <= value <= limits[-1] + tolerance:
            raise _invalid(f"{limits[0]:g} to {limits[-1]:g}", f"limits around the value, {value:g}")
        return limits

    @property
    def curve(self) -> ConfidenceCurve | None:
        """The limits at all levels; None if unknown."""
        return None if self.limits is None else ConfidenceCurve(self.limits)

    @property
    def sample(self) -> Sample:
        """The images behind the value."""
        return Sample(**{item.name: getattr(self, item.name) for item in fields(Sample)})

    @property
    def different_images(self) -> int | None:
        """Number of different images behind the value; None if it does not depend on images."""
        return self.images or self.n

    @property
    def slice_values(self) -> dict[str, QuantityRow]:
        """The number on each slice of all columns."""
        return {name: value for column in self.slices.values() for name, value in column.values.items()}

    @property
    def slice_gaps(self) -> dict[str, QuantityRow]:
        """The gap of each slice of all columns."""
        return {name: gap for column in self.slices.values() for name, gap in column.gaps.items()}


def _invalid(got: str, allowed: str) -> ValueError:
    return ValueError(f"must be {allowed}, got {got}")


def _check_rows(table: Table) -> Table:
    columns = len(table.columns)
    for number, row in enumerate(table.rows, start=1):
        if len(row) != columns:
            raise _invalid(f"{len(row)} cells in row {number}", f"{columns} cells, one for each column")
    return table


class UnmeasurableRow(JsonRow):
    """A dimension without a value, with the reason.

    Attributes:
        unmeasurable: the reason.
        missing_data: a set that the dimension needs is missing.
    """

    unmeasurable: str
    missing_data: bool = False


class SliceValuesRow(JsonRow):
    """A number on the slices of a column, by names such as `lighting=night`.

    Attributes:
        values: the number on the images of each slice.
        gaps: how much worse each slice is than all other images; positive is worse.
        unmeasured: reason for each slice without a value.
        sizes: number of images of each slice, also without a value.
        reason: why the column has no slices here; None if it has.
    """

    values: dict[str, QuantityRow] = Field(default_factory=dict)
    gaps: dict[str, QuantityRow] = Field(default_factory=dict)
    unmeasured: dict[str, UnmeasurableRow] = Field(default_factory=dict)
    sizes: dict[str, RecordCount] = Field(default_factory=dict)
    reason: UnmeasurableRow | None = None


class MeasurementRow(QuantityRow):
    """A measured dimension.

    Attributes:
        parts: named parts of the dimension.
        masked: signs of masked gradients; the value is then no evidence of robustness.
        tables: tables of details by name.
        unmeasured: reason for each requested part without a value, by its name.
        outputs: SHA-256 (hex) of the predictions behind the value; None if unknown.
        masked_at: `masked` of the parts at another ε, by ε such as `4/255`.
        levels: for parts with the rule `probability=per_class`, the probability of each class, by part.
        score: the score that separates images of no class; empty for other dimensions.
        transferred: the attacks behind it were computed on another model.
    """

    parts: dict[str, QuantityRow] = Field(default_factory=dict)
    masked: tuple[str, ...] = ()
    tables: dict[str, Annotated[Table, AfterValidator(_check_rows)]] = Field(default_factory=dict)
    unmeasured: dict[str, UnmeasurableRow] = Field(default_factory=dict)
    outputs: str | None = None
    masked_at: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    levels: dict[str, dict[str, Number]] = Field(default_factory=dict)
    score: str = ""
    transferred: bool = False

    def quantity(self, part: str | None) -> QuantityRow | None:
        """Return the value of the dimension, a part or a slice; None without one."""
        if part is None:
            return None if "" in self.unmeasured else self
        on_slices = {
            name_on_slices(name, slice_name): quantity
            for name, number in {"": self, **self.parts}.items()
            if part.startswith(name) and part not in self.parts
            for slice_name, quantity in number.slice_values.items()
        }
        return self.parts.get(part) or on_slices.get(part)

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes on its value and parts, each once."""
        return tuple(dict.fromkeys(note for number in (self, *self.parts.values()) for note in number.notes))

    def table_rows(self, name: str, *columns: str) -> list[tuple[Cell, ...]]:
        """Return the cells of some columns of a table, row by row.

        There are none without the table or a column: some runs have fewer tables, and custom dimensions
        have others.
        """
        table = self.tables.get(name)
        if table is None or not {*columns} <= {*table.columns}:
            return []
        places = [table.columns.index(column) for column in columns]
        return [tuple(cells[place] for place in places) for cells in table.rows]


class NotMeasuredRow(JsonRow):
    """A dimension without a selected demand."""

    not_measured: Literal[True]


AnyMeasurementRow = MeasurementRow | UnmeasurableRow | NotMeasuredRow


def row_of(outcome: Outcome, dimension: Dimension, suite: SuiteFacts) -> AnyMeasurementRow:
    """Return the row of an outcome.

    Raises:
        DimensionError: a value cannot be stored (NaN or infinite), for example from a custom dimension.
    """
    if isinstance(outcome, Unmeasurable):
        return UnmeasurableRow.model_validate(outcome, from_attributes=True)
    try:
        row = MeasurementRow.model_validate(outcome, from_attributes=True)
    except ValidationError as why:
        error = why.errors()[0]
        key = ".".join(str(step) for step in error["loc"])
        raise DimensionError(
            error["msg"].removeprefix("Value error, "),
            where=f"dimension '{dimension.name}': {key}",
            hint="Correct its measure function.",
        ) from why
    better = {printable(part.name): part.better for part in dimension.parts(suite)}
    own = (
        request
        for request in suite.requests
        if request.dimension == dimension.name and request.is_further_part
    )
    requested = {printable(request.on_all_images.name) for request in own}
    parts = {
        name: _directed(part, better.get(name), requested=name in requested)
        for name, part in row.parts.items()
    }
    return _directed(row, dimension.better, parts=parts)


def _directed(row: AnyQuantityRow, better: Better | None, **changes: object) -> AnyQuantityRow:
    """Return a row with changed fields and its better direction, also on slices."""
    slices = {
        column: slice_values.model_copy(
            update={
                "values": {name: quantity_row(value, better) for name, value in slice_values.values.items()},
                "gaps": {name: quantity_row(value, "low") for name, value in slice_values.gaps.items()},
            }
        )
        for column, slice_values in row.slices.items()
    }
    return row.model_copy(update={"better": better, "slices": slices, **changes})


def quantity_row(quantity: Quantity | QuantityRow, better: Better | None) -> QuantityRow:
    """Return the row of a quantity with its better direction.

    Raises:
        ValidationError: it cannot be stored.
    """
    return QuantityRow.model_validate(quantity, from_attributes=True).model_copy(update={"better": better})


_KINDS: Mapping[type, type] = {
    MeasurementRow: Measurement,
    QuantityRow: Quantity,
    SliceValuesRow: SliceValues,
}
"""The core value that each kind of row stores."""


def outcome_of(dimension: str, row: AnyMeasurementRow) -> Outcome:
    """Return the outcome that a row stores; the inverse of `row_of`."""
    if isinstance(row, NotMeasuredRow):
        return Unmeasurable(dimension, "this run did not measure it")
    outcome: Outcome = _value_of(row, dimension)
    return outcome


def _value_of(stored: Any, dimension: str) -> Any:
    """Return the core value that a row stores; of a dictionary, those of its rows."""
    match stored:
        case dict():
            return {name: _value_of(row, dimension) for name, row in stored.items()}
        case UnmeasurableRow():
            return Unmeasurable(dimension, stored.unmeasurable, stored.missing_data)
        case QuantityRow() | SliceValuesRow():
            kind = _KINDS[type(stored)]
            own = {"dimension": dimension} if kind is Measurement else {}
            names = [item.name for item in fields(kind) if hasattr(stored, item.name)]
            return kind(**own, **{name: _value_of(getattr(stored, name), dimension) for name in names})
    return stored


def measurements_of(measurements: Mapping[str, AnyMeasurementRow]) -> dict[str, Measurement]:
    """Return the measurements with a value, by dimension name."""
    outcomes = {name: outcome_of(name, row) for name, row in measurements.items()}
    return {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Measurement)}
