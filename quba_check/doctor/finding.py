"""One finding of the doctor, as a value and as text."""

from __future__ import annotations

from typing import ClassVar, Literal

from quba_check.records.measurement import JsonRow

Severity = Literal["problem", "remark"]


class Finding(JsonRow):
    """An error in the setup, with its evidence and its fix.

    Attributes:
        check: name of the check that reports it.
        problem: one sentence on the place and the error.
        evidence: the numbers behind it, on one line; empty if the problem needs none.
        fix: the command or change that removes it, on one or more lines.
        severity: a `problem` makes the command exit with 1; a `remark` does not.
    """

    _of_lines: ClassVar = frozenset({"evidence", "fix"})

    check: str
    problem: str
    evidence: str
    fix: str
    severity: Severity = "problem"

    def text(self) -> str:
        r"""Return the finding as indented lines.

        >>> print(Finding(check="x", problem="m.pt: is odd.", evidence="3 of 4", fix="retrain").text())
        m.pt: is odd.
          evidence: 3 of 4
          fix: retrain
        """
        lines = [self.problem]
        for heading, content in (("evidence", self.evidence), ("fix", self.fix)):
            if content:
                lines.append(f"  {heading}: " + content.replace("\n", "\n    "))
        return "\n".join(lines)

    def as_note(self) -> str:
        r"""Return the finding as a note of a record, on one line.

        >>> Finding(check="x", problem="m.pt: is odd.", evidence="3 of 4", fix="train\nit").as_note()
        'doctor: m.pt: is odd. Fix: train it.'
        >>> Finding(check="x", problem="m.pt: is odd.", evidence="", fix="").as_note()
        'doctor: m.pt: is odd.'
        """
        fix = " ".join(self.fix.split())
        return f"doctor: {self.problem}" + (f" Fix: {fix}." if fix else "")
