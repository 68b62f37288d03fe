"""What a record says of demands and of the grade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from quba_check.core.confidence import CONFIDENCE
from quba_check.core.protocols import ProtocolName
from quba_check.records.measurement import JsonRow, StoppedRow

QUBA = "quba"
"""Dimension name of demands on the QUBA score and the grade."""
VerdictOutcome = Literal["pass", "fail", "uncertain", "unmeasurable", "skipped", "not run"]
Tier = Literal["block", "warn", "info"]
Bound = Literal["min", "max", "max_drop", "max_relative_drop"]
DROPS: tuple[Bound, ...] = ("max_drop", "max_relative_drop")
"""Bounds on how much worse than a baseline something is."""
SIGNS: Mapping[Bound, str] = {
    "min": ">=",
    "max": "<=",
    "max_drop": "drop <=",
    "max_relative_drop": "relative drop <=",
}
"""What stands before the limit of each, in every report."""
OverallVerdict = Literal["pass", "partial", "fail", "uncertain", "incomplete", "not judged", "interrupted"]
"""The verdict of a whole run; only `pass` releases the model.

`fail`: a blocking demand is not met. `uncertain`: one is not shown to be met, and its file asks for that.
`incomplete`: a blocking demand has no verdict. `not judged`: no demand has one. `partial`: all selected
demands allow the release, but others of the same files were not selected. `interrupted`: by the user.
"""
EXIT_CODES: Mapping[OverallVerdict, int] = {
    "pass": 0,
    "partial": 1,
    "not judged": 5,
    "incomplete": 1,
    "uncertain": 6,
    "fail": 1,
    "interrupted": 2,
}
"""Exit code of each overall verdict, the most severe last."""


class VerdictRow(JsonRow):
    """One demand, held against its measurement.

    Attributes:
        id: node id of the demand's item.
        dimension: dimension name, or `quba` for demands on score and grade.
        part: part name; for `quba`: `score` or `grade`.
        limit: the bound, as it stands in the file (a letter for `quba.grade`).
        message: what `verdicts.explanation` returns; empty for a passed demand.
        within_noise: the bound lies inside the interval of the value.
        policy: what the file says of that: `point`, `fail` or `allow` (`demands.policy`).
        confidence: level of the interval.
        stopped: how the demand was decided before all images were seen; None where they were.
    """

    id: str
    dimension: str
    part: str | None
    bound: Bound
    limit: float | str
    tier: Tier
    outcome: VerdictOutcome
    file: str
    line: int
    message: str = ""
    within_noise: bool = False
    policy: Literal["point", "fail", "allow"] = "point"
    confidence: float = CONFIDENCE
    stopped: StoppedRow | None = None

    @property
    def target(self) -> str:
        """What was bounded: `accuracy`, `corruption_robustness.fog`, `quba.grade`."""
        return f"{self.dimension}.{self.part}" if self.part else self.dimension

    @property
    def name(self) -> str:
        """Target and bound: `corruption_robustness.fog[min]`."""
        return f"{self.target}[{self.bound}]"

    @property
    def is_on_grade(self) -> bool:
        """True if the demand bounds the QUBA score or the grade."""
        return self.dimension == QUBA

    @property
    def is_met(self) -> bool:
        """Whether it passed, had nothing to look at and may, or is uncertain and may be."""
        return self.outcome in ("pass", "skipped") or (self.outcome == "uncertain" and self.policy == "allow")

    @property
    def blocks(self) -> bool:
        """True if it blocks the release of the model."""
        return not self.is_met and self.tier == "block"


class GradeRow(JsonRow):
    """The grade by the settings of one threshold file.

    Attributes:
        score: QUBA score; None where not graded.
        interval: two-sided interval of the score at `CONFIDENCE`; None where it is not known.
        letters: the letters that the interval spans, best first.
        percentile: share of the population's scores that are lower, in [0, 100].
        letter: A to F.
        models: how many scores the percentile is among.
        complete: all nine dimensions went into it.
        missing: dimensions that did not.
        cross_protocol: dimensions whose population values come from the other protocol and differ by it.
        notes: remarks shown beside the grade.
        not_graded: why there is no letter, where `missing` is not the only reason.
        other_suite: how the population's suite differs from that of the values; empty if it does not.
    """

    file: str
    score: float | None
    percentile: float | None
    letter: str | None
    population: str
    protocol_of_population: ProtocolName
    complete: bool
    models: int | None = None
    interval: tuple[float, float] | None = None
    letters: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    cross_protocol: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    not_graded: str = ""
    other_suite: str = ""


def overall_verdict(verdicts: Iterable[VerdictRow], *, interrupted: bool, unselected: int) -> OverallVerdict:
    """Return the verdict of a whole run; the most informative one where several apply.

    Args:
        verdicts: of the selected demands.
        interrupted: the user stopped the run.
        unselected: how many demands of the same threshold files were not selected.
    """
    rows = list(verdicts)
    blocking = {row.outcome for row in rows if row.blocks}
    if interrupted:
        return "interrupted"
    if blocking & {"fail", "unmeasurable"}:
        return "fail"
    if "uncertain" in blocking:
        return "uncertain"
    if "not run" in blocking:
        return "incomplete"
    if all(row.outcome in ("skipped", "not run", "unmeasurable") for row in rows):
        return "not judged"
    return "partial" if unselected else "pass"
