"""Demands: bounds on dimensions or parts, and the policy of their file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, Part
from quba_check.core.explanation import NOT_EXPLAINED, Explanation
from quba_check.core.grade import GradeRules
from quba_check.core.protocols import ProtocolName
from quba_check.core.request import EACH, Better, Request, target_name, titled_name
from quba_check.number_format import format_bound
from quba_check.records.record import InputRow
from quba_check.records.verdict import DROPS, QUBA, SIGNS, BoundKey, Tier, VerdictOutcome, VerdictRow, Waiver
from quba_check.strict_yaml import Location

_IN_RECORDS = (
    *("dimension", "part", "key", "tier", "file", "line"),
    *("title", "waiver", "optional", "allow_masked", "min_images", "min_groups", "threshold_file"),
)
"""Attributes of demands that records store under the same names."""
Uncertain = Literal["point", "fail", "allow"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The rule of a threshold file for uncertain demands.

    Attributes:
        uncertain: `point` compares the value alone and ignores its interval. `fail` passes a demand only if
            the confidence limit clears the bound: a model that misses any bound passes the gate with at
            most the error of one demand (intersection-union test, Berger 1982). `allow` blocks only for
            demonstrated failures: a model that meets all demands is blocked with at most the error of one
            (Holm 1979).
        confidence: level of the two-sided intervals, in (0, 1).
    """

    uncertain: Uncertain = "point"
    confidence: float = 0.95

    @property
    def error(self) -> float:
        """Error probability of a one-sided statement."""
        return (1 - self.confidence) / 2


POINT = Policy()


@dataclass(frozen=True, slots=True)
class Demand:
    """A bound on a dimension, a part, a slice, the QUBA score or the grade.

    Attributes:
        request: the number. For `quba` it is the `score` or the `grade`.
        key: `min` or `max`; `max_drop` or `max_relative_drop` for the loss against a baseline. A value
            equal to the bound meets the demand.
        bound: a number in the unit of the request, or a letter for the grade.
        tier: `block` keeps a model that does not meet the demand from release; `warn` and `info` only report.
        optional: skipped instead of failed if the images do not allow a value.
        file: the threshold file, as messages show it.
        line: line (1-based) of the bound in that file.
        parts: parts of the dimension with a direction, which explain its value; empty for a part.
        allow_masked: a value with signs of masked gradients is judged like any other.
        path: the same file on disk; None if there is none.
        min_images: number of images below which a slice is not judged; 0 unless the demand is on slices.
        min_groups: number of groups of images, likewise, if groups are declared.
        location: place of the bound in its file.
        waiver: the exception from it; None without one.
        title: its name for people; empty without one.
        replaced: numbers of the classes that a demand on the drop of any class leaves out, see `replaces`.
        threshold_file: label of the merged file, which may extend `file`.
    """

    request: Request
    key: BoundKey
    bound: float | str
    tier: Tier
    optional: bool
    file: str
    line: int
    parts: tuple[Part, ...] = ()
    allow_masked: bool = False
    path: Path | None = None
    min_images: int = 0
    min_groups: int = 0
    location: Location = ()
    waiver: Waiver | None = None
    title: str = ""
    replaced: tuple[int, ...] = ()
    threshold_file: str = ""

    @property
    def dimension(self) -> str:
        """Name of the dimension, or `quba`."""
        return self.request.dimension

    @property
    def part(self) -> str | None:
        """Name of the part; None for the dimension itself."""
        return self.request.part

    @property
    def unit(self) -> str:
        """Unit of the bound."""
        return self.request.number.unit

    @property
    def better(self) -> Better:
        """The better direction."""
        return self.request.better

    @property
    def target(self) -> str:
        """The bounded quantity: `accuracy`, `corruption_robustness.fog`, `quba.grade`."""
        return target_name(self.dimension, self.part)

    @property
    def is_on_grade(self) -> bool:
        """True if it bounds the QUBA score or the grade."""
        return self.dimension == QUBA

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the dimensions behind its value: its own, or the nine behind a grade."""
        return PUBLISHED_DIMENSIONS if self.is_on_grade else (self.dimension,)

    @property
    def bound_text(self) -> str:
        """Sign and bound: `>= 0.45`, `<= 30`, `drop <= 0.02`, `>= C`."""
        return f"{SIGNS[self.key].replace('drop', self.loss)} {format_bound(self.bound)}"

    @property
    def loss(self) -> str:
        """The word for a change to the worse: `drop`, or `worsening` if lower is better."""
        return "drop" if self.better == "high" else "worsening"

    @property
    def needs_baseline(self) -> bool:
        """True if it bounds the loss against a baseline."""
        return self.key in DROPS

    @property
    def is_comparative(self) -> bool:
        """True if it compares with another model, from a baseline or a reference."""
        return (self.needs_baseline or self.dimension == "parity") and not self.request.pipeline

    @property
    def requests(self) -> tuple[Request, ...]:
        """Its number, and for a drop behind a pipeline that of the model's own preprocessing."""
        if self.needs_baseline and self.request.pipeline:
            return self.request, self.request.on_own_preprocessing
        return (self.request,)

    def is_of_class_in(self, each: Demand) -> bool:
        """True if it bounds the drop of one class next to `each`."""
        request = self.request
        of_class = replace(each.request, target=request.target, classes=request.classes)
        is_drop_of_each = each.request.target == EACH and each.needs_baseline and self.key == each.key
        return is_drop_of_each and len(request.classes) == 1 and request == of_class

    def replaces(self, each: Demand) -> bool:
        """True if `each` leaves its class to this demand, which is waived and as strict."""
        is_waived = self.waiver is not None and self.is_of_class_in(each)
        is_blocking = self.tier in ("block", each.tier) and self.optional <= each.optional
        return is_waived and is_blocking and float(self.bound) <= float(each.bound)

    @property
    def name(self) -> str:
        """Target and key: `corruption_robustness.fog[min]`; tuning the bound keeps the name."""
        return f"{self.target}[{self.key}]"

    @property
    def shown_name(self) -> str:
        """Title and name, for people."""
        return titled_name(self.title, self.name)

    def verdict_row(
        self,
        id: str,  # noqa: A002
        outcome: VerdictOutcome,
        explanation: Explanation = NOT_EXPLAINED,
        *,
        within_noise: bool = False,
        policy: Policy = POINT,
    ) -> VerdictRow:
        """Return the demand with an outcome for a record, without its number of slices."""
        return VerdictRow(
            id=id,
            **{name: getattr(self, name) for name in _IN_RECORDS},
            bound=self.bound,
            kind=self.request.kind,
            number=self.request.on_all_images.name,
            metric=self.request.metric,
            conditions=self.request.conditions,
            set=self.request.judged_set,
            slice=self.request.slice,
            levels=self.request.levels,
            epsilon=str(self.request.epsilon or ""),
            requested=self.request.is_further_part or bool(self.request.slice),
            outcome=outcome,
            message="" if outcome == "pass" else explanation.text,
            explanation=explanation,
            within_noise=within_noise,
            policy=policy.uncertain,
            confidence=policy.confidence,
        )

    @property
    def source_path(self) -> str:
        """Path of the file of the bound, valid from the current folder.

        It is relative for files below the current folder, else absolute. `file` may be the stable name of a
        shipped file, or relative to another folder.
        """
        if self.path is None:
            return self.file
        path = self.path.resolve()
        return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)

    @property
    def source_line(self) -> str:
        """`path:line` of the bound, see `source_path`."""
        return f"{self.source_path}:{self.line}"


@dataclass(frozen=True, slots=True)
class QubaSettings(GradeRules):
    """Settings of score and grade in a threshold file.

    Each of the nine dimensions has a weight.

    Attributes:
        population: name of a reference population, or the path of a population file.
        population_sha256: SHA-256 (hex) of the population file; None for a name.
    """

    population: str = "published"
    population_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A threshold file merged with its extended files.

    Attributes:
        path: the file.
        label: its name in messages and ids.
        name: its display name.
        protocol: the protocol of its thresholds; None if it states none.
        demands: at least one, in file order, those of the extended file first.
        quba: settings of score and grade.
        policy: the outcome of demands within the noise.
        inputs: the file and the files that it extends, for records.
        baseline: name, path or URL of the approved record that drops are counted from; None if not stated.
        needs_fresh: answers must have been predicted by the run itself.
    """

    path: Path
    label: str
    name: str
    protocol: ProtocolName | None
    demands: tuple[Demand, ...]
    quba: QubaSettings
    policy: Policy = POINT
    inputs: tuple[InputRow, ...] = ()
    baseline: str | None = None
    needs_fresh: bool = False

    @property
    def blocking(self) -> int:
        """Number of the demands that block."""
        return sum(demand.tier == "block" for demand in self.demands)


def grade_terms(quba: QubaSettings) -> Mapping[str, object]:
    """Return the settings of the grade for records.

    A digest replaces the path of a population file.
    """
    settings = asdict(quba)
    digest = settings.pop("population_sha256")
    if not quba.allow_transferred:
        del settings["allow_transferred"]  # the digests of files without this key stay
    return settings | {
        "weights": {name: float(weight) for name, weight in quba.weights.items()},
        "allow_missing": sorted(quba.allow_missing),
        "population": digest or quba.population,
    }
