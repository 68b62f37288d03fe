"""A demand: a bound on a dimension or part, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quba_check.core.dimension import Better, Part
from quba_check.core.protocols import ProtocolName
from quba_check.demands.policy import POINT, Policy
from quba_check.records.measurement import StoppedRow
from quba_check.records.verdict import DROPS, SIGNS, Bound, Tier, VerdictOutcome, VerdictRow

QUBA = "quba"
"""What demands on score and grade are about, in the place of a dimension."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A bound on a dimension, a part, the QUBA score or the grade.

    Attributes:
        dimension: name of the dimension, or `quba`.
        part: name of the part, None for the dimension itself; for `quba`: `score` or `grade`.
        bound: `min`, `max`, or how much worse than a baseline: `max_drop`, `max_relative_drop`; a value equal
            to the limit meets each.
        threshold: the bound's number, in the unit of what it bounds; a letter for the grade.
        tier: `block`: not met, the model is not released; `warn` and `info` only tell.
        optional: where the images do not allow a value, the demand is skipped instead of failed.
        unit: unit of the limit.
        better: which direction is better.
        file: the file in which the limit stands, as messages show it.
        line: line (1-based) of the limit in that file.
        parts: parts of the dimension that have a direction, which explain its value; empty for a part.
        allow_masked: a value with signs of masked gradients is judged like any other.
        path: the same file on disk; None if there is none.
    """

    dimension: str
    part: str | None
    bound: Bound
    threshold: float | str
    tier: Tier
    optional: bool
    unit: str
    better: Better
    file: str
    line: int
    parts: tuple[Part, ...] = ()
    allow_masked: bool = False
    path: Path | None = None

    @property
    def target(self) -> str:
        """What is bounded: `accuracy`, `corruption_robustness.fog`, `quba.grade`."""
        return f"{self.dimension}.{self.part}" if self.part else self.dimension

    @property
    def threshold_text(self) -> str:
        """The bound as people write it: `>= 0.45`, `<= 30`, `>= C`."""
        sign = SIGNS[self.bound]
        return (
            f"{sign} {self.threshold}" if isinstance(self.threshold, str) else f"{sign} {self.threshold:.15g}"
        )

    @property
    def needs_baseline(self) -> bool:
        """Whether it bounds how much worse than a baseline something is."""
        return self.bound in DROPS

    @property
    def name(self) -> str:
        """`corruption_robustness.fog[min]`: without the limit, so that tuning it keeps the name."""
        return f"{self.target}[{self.bound}]"

    def verdict_row(
        self,
        id: str,  # noqa: A002
        outcome: VerdictOutcome,
        message: str,
        *,
        within_noise: bool = False,
        policy: Policy = POINT,
        stopped: StoppedRow | None = None,
    ) -> VerdictRow:
        """Return the demand with an outcome, as records store it."""
        return VerdictRow(
            id=id,
            dimension=self.dimension,
            part=self.part,
            bound=self.bound,
            limit=self.threshold,
            tier=self.tier,
            outcome=outcome,
            file=self.file,
            line=self.line,
            message=message,
            within_noise=within_noise,
            policy=policy.uncertain,
            confidence=policy.confidence,
            stopped=stopped,
        )

    @property
    def place(self) -> str:
        """`path:line` of the limit, as a path valid from the current folder.

        It is relative if the file lies below the current folder, else absolute: `file` may be the stable name
        of a shipped file, or relative to another folder.
        """
        if self.path is None:
            return f"{self.file}:{self.line}"
        path = self.path.resolve()
        here = Path.cwd()
        shown = path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)
        return f"{shown}:{self.line}"


@dataclass(frozen=True, slots=True)
class QubaSettings:
    """How a threshold file wants score and grade computed.

    Attributes:
        weights: weight of each of the nine dimensions, at least 0.
        population: name of a reference population, or the path of a population file.
        allow_missing: dimensions that the grade may do without (it is then partial).
        allow_other_suite: a population that was measured on another suite gives a letter, too.
        allow_masked: adversarial_robustness counts although its value is masked, as its entry allows.
    """

    weights: Mapping[str, float]
    population: str
    allow_missing: tuple[str, ...]
    allow_other_suite: bool = False
    allow_masked: bool = False


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A threshold file with what it extends.

    Attributes:
        path: the file.
        shown: how messages and ids call it.
        name: its name for people.
        protocol: the protocol that its limits are about; None where it states none.
        demands: at least one, in file order, those of the extended file first.
        quba: settings of score and grade.
        policy: what becomes of demands within the noise.
    """

    path: Path
    shown: str
    name: str
    protocol: ProtocolName | None
    demands: tuple[Demand, ...]
    quba: QubaSettings
    policy: Policy = POINT
