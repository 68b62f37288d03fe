"""Rows of a record: verdicts on demands, and grades."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from quba_check.core.confidence import CONFIDENCE, SCORES
from quba_check.core.explanation import NOT_EXPLAINED, Explanation
from quba_check.core.grade import LETTERS
from quba_check.core.protocols import ProtocolName
from quba_check.core.request import QuantityKind, target_name, titled_name
from quba_check.core.view import CLEAN_SET
from quba_check.records.measurement import JsonRow, QuantityRow

QUBA = "quba"
"""Dimension name of demands on the QUBA score and the grade."""
VerdictOutcome = Literal["pass", "fail", "waived", "uncertain", "unmeasurable", "skipped", "not run"]
Tier = Literal["block", "warn", "info"]
BoundKey = Literal["min", "max", "max_drop", "max_relative_drop"]
DROPS: tuple[BoundKey, ...] = ("max_drop", "max_relative_drop")
"""Keys of bounds on the loss against a baseline."""
LOSSES: Mapping[BoundKey, str] = {"max_drop": "drop", "max_relative_drop": "relative drop"}
"""Words for the loss that these keys bound."""
SIGNS: Mapping[BoundKey, str] = {
    "min": ">=",
    "max": "<=",
    "max_drop": "drop <=",
    "max_relative_drop": "relative drop <=",
}
"""Sign of each key in reports."""
OverallVerdict = Literal["pass", "partial", "fail", "uncertain", "incomplete", "not judged", "interrupted"]
"""The verdict of a whole run; only `pass` releases the model.

`fail`: a blocking demand is not met. `uncertain`: one is not shown to be met, as its file requires.
`incomplete`: a blocking demand has no verdict. `not judged`: no demand has a verdict. `partial`: all selected
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


def worst_verdict(verdicts: Iterable[OverallVerdict]) -> OverallVerdict:
    """Return the most severe of the overall verdicts; `not judged` if there are none."""
    return max(verdicts, key=list(EXIT_CODES).index, default="not judged")


class Waiver(JsonRow):
    """An exception from a demand that ends.

    Attributes:
        until: last day on which it holds, in UTC.
        by: who decided it.
        reason: the reason.
        bound: the worst value that it allows, a letter for `quba.grade`.
    """

    until: date
    by: str
    reason: str
    bound: float | str

    def __str__(self) -> str:
        return f"waived until {self.until} by {self.by}: {self.reason}"


class VerdictRow(JsonRow):
    """The verdict on one demand.

    Attributes:
        id: node id of the demand's item.
        dimension: dimension name, or `quba` for demands on score and grade.
        part: part name; for `quba`: `score` or `grade`.
        key: key of the bound in the file.
        bound: the bound as in the file (a letter for `quba.grade`).
        tier: only unmet demands of `block` keep the model from release.
        outcome: the verdict; `not run` if the session ended before.
        file: threshold file that states the demand.
        line: line of the demand in it.
        message: text of the explanation; empty for a passed demand.
        explanation: the explanation of the verdict.
        within_noise: the bound lies inside the interval of the value.
        policy: the file's rule for that.
        confidence: level of the interval.
        judged: the value that was compared, for the worst slice, the largest gap and drops.
        note: slices that were not judged; empty if all were.
        waiver: the exception from the demand; None without one.
        title: its name for people; empty without one.
        optional: skipped if images are missing.
        kind: `value`, or `worst` or `gap` of a column of slices.
        number: name of the number of all images, without the slice; empty for the dimension itself.
        metric: name of the number, without target and conditions.
        conditions: all that differs from the default, without slices, such as `@probability=0.3`; else empty.
        set: set of the images behind it, also of a part that is named after a set.
        slice: the slice or the column of slices; empty for all images.
        levels: the probability of each class, for the rule `probability=per_class`; else empty.
        epsilon: size of the attacks, such as `4/255`; empty for the default, or without attacks.
        requested: its number was measured only because a demand asks for it.
        allow_masked: masked values count.
        min_images: number of images below which a slice is not judged.
        min_groups: number of groups of images, likewise.
        threshold_file: threshold file of the run, which may extend `file`.
    """

    _of_lines: ClassVar = frozenset({"message"})

    id: str
    dimension: str
    part: str | None
    key: BoundKey
    bound: float | str
    tier: Tier
    outcome: VerdictOutcome
    file: str
    line: int
    message: str = ""
    explanation: Explanation = NOT_EXPLAINED
    within_noise: bool = False
    policy: Literal["point", "fail", "allow"] = "point"
    confidence: float = CONFIDENCE
    judged: QuantityRow | None = None
    note: str = ""
    waiver: Waiver | None = Field(None, validate_default=True)
    title: str = ""
    optional: bool = False
    kind: QuantityKind = "value"
    number: str = ""
    metric: str = ""
    conditions: str = ""
    set: str = CLEAN_SET
    slice: str = ""
    levels: dict[str, float] = Field(default_factory=dict)
    epsilon: str = ""
    requested: bool = False
    allow_masked: bool = False
    min_images: int = 0
    min_groups: int = 0
    threshold_file: str = ""

    @field_validator("bound")
    @classmethod
    def _check_bound(cls, bound: float | str, info: ValidationInfo) -> float | str:
        if isinstance(bound, str) and (info.data.get("dimension") != QUBA or bound not in LETTERS):
            raise ValueError("must be a number, or a letter of a demand on the grade")
        return bound

    @field_validator("waiver")
    @classmethod
    def _check_waiver(cls, waiver: Waiver | None, info: ValidationInfo) -> Waiver | None:
        if waiver is None and info.data.get("outcome") == "waived":
            raise ValueError("missing, although the outcome is waived")
        if waiver is not None and isinstance(waiver.bound, str):
            cls._check_bound(waiver.bound, info)
        return waiver

    @property
    def target(self) -> str:
        """The bounded quantity: `accuracy`, `corruption_robustness.fog`, `quba.grade`."""
        return target_name(self.dimension, self.part)

    @property
    def name(self) -> str:
        """Target and key: `corruption_robustness.fog[min]`."""
        return f"{self.target}[{self.key}]"

    @property
    def shown_name(self) -> str:
        """Title and name, for people."""
        return titled_name(self.title, self.name)

    @property
    def shown_target(self) -> str:
        """Title and target, for people."""
        return titled_name(self.title, self.target)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Number, slice, kind and size of attacks, which identify the value."""
        return self.number, self.slice, self.kind, self.epsilon

    @property
    def is_on_grade(self) -> bool:
        """True if the demand bounds the QUBA score or the grade."""
        return self.dimension == QUBA

    @property
    def is_met(self) -> bool:
        """True if it passed, was skipped, or is uncertain and its file allows that."""
        return self.outcome in ("pass", "skipped") or (self.outcome == "uncertain" and self.policy == "allow")

    @property
    def has_needless_waiver(self) -> bool:
        """True if it is met without its waiver."""
        return self.waiver is not None and self.is_met and self.outcome != "skipped"

    @property
    def blocks(self) -> bool:
        """True if it blocks the release of the model."""
        return not self.is_met and self.outcome != "waived" and self.tier == "block"


class GradeRow(JsonRow):
    """The grade by the settings of one threshold file.

    Attributes:
        file: threshold file with the settings.
        population: name of the reference population.
        protocol_of_population: protocol of the population's values.
        score: QUBA score; None if not graded.
        interval: two-sided 95 % interval of the score; None if unknown.
        limits: one-sided limits of the score at the normal scores −4, −3.75, …, 4; None if unknown.
        least: each letter except F with the score that it must exceed.
        groups: number of groups of images, of the set with the fewest; None without groups.
        letters: the letters that the interval spans, best first.
        percentile: share of the population's scores that are lower, in [0, 100].
        letter: A to F.
        models: number of scores in the population.
        complete: all nine dimensions are included.
        missing: dimensions that are not included.
        cross_protocol: dimensions that the population measured differently, under the other protocol.
        notes: notes shown with the grade.
        not_graded: reason for a missing letter, if `missing` is not the only one.
        other_suite: difference between the suites of population and values; empty if there is none.
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
    limits: Annotated[tuple[float, ...], Field(min_length=len(SCORES), max_length=len(SCORES))] | None = None
    least: tuple[tuple[str, float], ...] = ()
    groups: int | None = None
    letters: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    cross_protocol: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    not_graded: str = ""
    other_suite: str = ""


def overall_verdict(verdicts: Iterable[VerdictRow], *, interrupted: bool, unselected: int) -> OverallVerdict:
    """Return the verdict of a whole run, the most informative one if several apply.

    Args:
        verdicts: the verdicts on the selected demands.
        interrupted: the user stopped the run.
        unselected: number of demands of the same threshold files that were not selected.
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


def demands_digest(demands: Iterable[VerdictRow], settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of all that a threshold file decides about verdicts.

    It is that of JSON in UTF-8 without spaces, with sorted keys: the settings, and `demands`, sorted by their
    target and key, each a list of target, key, bound, tier, `optional` and `allow_masked`, for slices
    also `min_images` and `min_groups`, with a waiver its last day and worst value, for slices and other sizes
    of attacks `number`, `slice`, `kind` and `epsilon`, and with a probability for each class these, sorted.
    Comments, order, outcomes and the split into extended files have no influence.

    Args:
        demands: the demands of the file and of those that it extends.
        settings: see `InputRow.settings`.
    """
    terms = [
        [
            *(row.target, row.key, row.bound, row.tier, row.optional, row.allow_masked),
            *((row.min_images, row.min_groups) if row.slice else ()),
            *((str(row.waiver.until), row.waiver.bound) if row.waiver else ()),
            *(row.identity if row.identity != (row.part or "", "", "value", "") else ()),
            *sorted(row.levels.items()),
        ]
        for row in sorted(demands, key=lambda row: (row.target, row.key))
    ]
    content = {**settings, "demands": terms}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
