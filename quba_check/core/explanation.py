"""The explanation of a verdict: what was compared with the bound, and why it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PLACE = "demanded by "
"""Beginning of the last line of an explanation."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a verdict, in words and numbers.

    Attributes:
        headline: the outcome in a sentence.
        reason: why there is no value, or why the value is no evidence; else empty.
        value: the number or letter that was compared with the bound; None if there is none.
        unit: its unit.
        interval: its two-sided interval, at the level of the threshold file; None if unknown.
        n: number of images behind it; None if it does not depend on images.
        details: facts behind it, such as the worst parts and the images needed to decide.
        sample: number of images and interval in words.
        notes: notes on the value.
        images: conditions of the images behind it: `class`, `predicted`, `slice` and `set`, if there are any.
        path: threshold file of the demand, valid from the current folder; empty if it was not judged.
        line: line of the demand in it.
    """

    headline: str
    reason: str = ""
    value: float | str | None = None
    unit: str = ""
    interval: tuple[float, float] | None = None
    n: int | None = None
    details: tuple[str, ...] = ()
    sample: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    line: int = 0

    @property
    def lines(self) -> tuple[str, ...]:
        """All facts behind the headline."""
        return (*self.details, *self.sample, *self.notes)

    @property
    def place(self) -> str:
        """`path:line` of the demand; empty if it was not judged."""
        return f"{self.path}:{self.line}" if self.path else ""

    @property
    def text(self) -> str:
        """Headline, indented facts and the place of the demand."""
        place = [PLACE + self.place] if self.place else []
        return "\n  ".join([self.headline, *self.lines, *place])


NOT_EXPLAINED = Explanation("")
"""Of a demand without a verdict."""
