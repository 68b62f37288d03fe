"""A comparison of two runs, as rows for every report."""

from __future__ import annotations

from typing import Literal

from quba_check.core.dimension import Better
from quba_check.core.protocols import ProtocolName
from quba_check.records.measurement import JsonRow

Finding = Literal["better", "worse", "within noise", "same", "unknown"]


class ChangeRow(JsonRow):
    """The change of a dimension or part.

    Attributes:
        part: name of the part; None for the dimension itself.
        better: the better direction; None for values that are only reported.
        change: after − before.
        interval: two-sided 95 % interval of the change; None if unknown.
        finding: the conclusion from the interval.
        paired: the interval is made of both models' predictions on the same images.
        p: exact McNemar p-value of equal accuracy, for shares of the same images.
        lost: number of images that only the first model classifies correctly, for shares of the same images.
        gained: number of images that only the second model classifies correctly, likewise.
    """

    dimension: str
    part: str | None
    unit: str
    better: Better | None
    before: float
    after: float
    change: float
    interval: tuple[float, float] | None = None
    finding: Finding = "unknown"
    paired: bool = False
    n: int | None = None
    p: float | None = None
    lost: int | None = None
    gained: int | None = None


class AnswersRow(JsonRow):
    """The answers of both models to the clean images.

    Attributes:
        images: number of images.
        agreement: share of them with equal answers.
        interval: its two-sided 95 % interval; None for too few groups of images.
        changed: number of images with another answer; an image of several right classes can be right twice.
        lost: images that only the first model classifies correctly.
        gained: images that only the second model classifies correctly.
        wrong_to_wrong: images with two different wrong answers.
    """

    images: int
    agreement: float
    interval: tuple[float, float] | None
    changed: int
    lost: int
    gained: int
    wrong_to_wrong: int


class SideRow(JsonRow):
    """One of the two runs."""

    file: str
    model: str
    fingerprint: str
    time: str


class Comparison(JsonRow):
    """Two runs of the same protocol and suite, the second compared with the first.

    Attributes:
        changes: dimensions in the order of reports, each followed by its parts.
        notes: notes for the reader.
        answers: the answers to clean images; None if a run stored none.
        same_predictions: every value comes from the same predictions, so that every change is exactly 0.
    """

    before: SideRow
    after: SideRow
    suite: str
    protocol: ProtocolName
    changes: tuple[ChangeRow, ...]
    notes: tuple[str, ...] = ()
    answers: AnswersRow | None = None
    same_predictions: bool = False
