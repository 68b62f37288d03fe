"""Two runs beside each other, as rows that every report of a comparison is rendered from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from quba_check.core.dimension import Better
from quba_check.core.protocols import ProtocolName

Finding = Literal["better", "worse", "within noise", "same", "unknown"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class ChangeRow(_Row):
    """What became of a dimension or part.

    Attributes:
        part: name of the part; None for the dimension itself.
        better: direction that is better; None for what is only reported.
        change: after − before.
        interval: two-sided interval of the change at 95 %; None where it is not known.
        finding: what the interval shows.
        paired: the interval is made of both models' answers to the same images.
        p: exact McNemar p-value of “right equally often”, for shares of the same images.
        lost: images on which only the first is right, where they are shares of the same images.
        gained: images on which only the second is.
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


class SideRow(_Row):
    """One of the two runs."""

    file: str
    model: str
    fingerprint: str
    time: str


class Comparison(_Row):
    """Two runs of one protocol on one suite, the second held beside the first.

    Attributes:
        changes: dimensions in the order of reports, each followed by its parts.
        notes: what a reader has to know.
    """

    before: SideRow
    after: SideRow
    suite: str
    protocol: ProtocolName
    changes: tuple[ChangeRow, ...]
    notes: tuple[str, ...] = ()
