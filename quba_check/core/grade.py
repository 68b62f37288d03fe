"""A grade: the QUBA score of nine values and its percentile in a reference population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quba_check.core.confidence import ConfidenceCurve
from quba_check.core.protocols import ProtocolName
from quba_check.messages import listed
from quba_check.number_format import format_value, ordinal

LETTERS = ("F", "D", "C", "B", "A")
"""From worst to best."""


@dataclass(frozen=True, slots=True)
class GradeRules:
    """Rules of a grade: the weights, and what may be missing or doubtful.

    Attributes:
        weights: weights >= 0 by dimension name that replace the defaults; only their ratios matter.
        allow_missing: dimensions that may be missing from the grade, which is then partial.
        allow_other_suite: grade even if the population was measured on another suite, with a note.
        allow_masked: count adversarial_robustness even if its value is masked, with a note.
        allow_transferred: count it even if the attacks were computed on another model, with a note.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    allow_missing: tuple[str, ...] = ()
    allow_other_suite: bool = False
    allow_masked: bool = False
    allow_transferred: bool = False


@dataclass(frozen=True, slots=True)
class Grade:
    """QUBA score, percentile in a reference population, letter.

    Attributes:
        score: the QUBA score; None if it cannot be computed. A score has no letter if the population is of
            another suite.
        percentile: share of the population's scores that are lower, in percent, 0 to 100.
        letter: A, B, C, D or F.
        population: name of the reference population.
        protocol_of_population: protocol of the population's values.
        models: number of models in the population.
        curve: confidence limits of the score, from the sampling errors of the dimensions.
        interval: two-sided 95 % interval of the score.
        letters: the letters within this interval, best first.
        least: score that each letter except F must exceed.
        complete: True if all nine dimensions are part of the score.
        missing: dimensions that are not. Unless they may be missing, score, percentile and letter are None.
        cross_protocol: dimensions that the population's protocol defines differently from that of the values.
        notes: notes that reports show next to the grade.
        not_graded: reason for a missing letter; empty if there is a letter, or if `missing` is the reason.
        other_suite: difference of the population's suite from that of the values; empty if there is none.
        groups: number of groups of images, of the set with the fewest; None without groups.
    """

    score: float | None
    percentile: float | None
    letter: str | None
    population: str
    protocol_of_population: ProtocolName
    complete: bool
    models: int | None = None
    curve: ConfidenceCurve | None = None
    interval: tuple[float, float] | None = None
    letters: tuple[str, ...] = ()
    least: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    cross_protocol: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    not_graded: str = ""
    other_suite: str = ""
    groups: int | None = None

    @property
    def limits(self) -> tuple[float, ...] | None:
        """The one-sided limits of the score at `SCORES`; None if unknown."""
        return None if self.curve is None else self.curve.limits

    def __repr__(self) -> str:
        if self.score is None or self.percentile is None:
            missing = f", missing {listed(self.missing)}" if self.missing else ""
            return f"Grade(not graded{missing}, population {self.population})"
        ends = "..".join(format_value(end, "score") for end in self.interval or ())
        score = ", ".join(filter(None, (format_value(self.score, "score"), ends)))
        rank = f"{ordinal(self.percentile)} percentile of {self.population}"
        return f"Grade({self.letter}, score {score}, {rank})"
