"""A row of the table of speed: a measured value next to its goal."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.measuring import Ratio


@dataclass(frozen=True)
class Row:
    """One measured value.

    Attributes:
        title: what is compared.
        value: the value as a number with its unit, for example "1.46 (1.44 to 1.49)".
        details: the numbers behind it.
        goal: the goal, such as "≥ 3"; empty if there is none.
        is_reached: True if the value meets its goal; None without a goal.
    """

    title: str
    value: str
    details: str
    goal: str = ""
    is_reached: bool | None = None

    @classmethod
    def of_ratio(cls, title: str, ratio: Ratio, details: str, least: float | None = None) -> Row:
        """Return the row of a ratio that should be at least `least`."""
        value = f"{ratio.value:.2f}"
        if ratio.low != ratio.high:
            value += f" ({ratio.low:.2f} to {ratio.high:.2f})"
        if least is None:
            return cls(title, value, details)
        return cls(title, value, details, f"≥ {least:g}", ratio.value >= least)

    @classmethod
    def at_most(cls, title: str, value: float, unit: str, details: str, most: float, digits: int = 1) -> Row:
        """Return the row of a value that should be at most `most`."""
        return cls(title, f"{value:,.{digits}f} {unit}", details, f"≤ {most:,g} {unit}", value <= most)

    @classmethod
    def unmeasured(cls, title: str, reason: str, goal: str = "") -> Row:
        """Return a row without a value."""
        return cls(title, "not measured", reason, goal)

    @property
    def verdict(self) -> str:
        """Return "yes" if the goal is reached, "no" if not, "" without a goal or a value."""
        return {True: "yes", False: "no", None: ""}[self.is_reached]


def as_text(row: Row) -> str:
    """Return a row for the terminal, in two lines."""
    goal = f"  goal {row.goal} {row.verdict}".rstrip() if row.goal else ""
    return f"{row.title:<58} {row.value:<24}{goal}\n    {row.details}"


def as_markdown(rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = ["| compared | measured | goal | reached | in numbers |", "|---|---|---|---|---|"]
    lines += [f"| {row.title} | {row.value} | {row.goal} | {row.verdict} | {row.details} |" for row in rows]
    return "\n".join(lines)
