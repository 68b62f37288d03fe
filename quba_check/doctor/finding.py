"""What the doctor found, as a value."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Severity = Literal["problem", "remark"]


class Finding(BaseModel):
    """One mistake, with what shows it and what mends it.

    Attributes:
        check: name of the check that found it.
        problem: one sentence that says where and what.
        evidence: the numbers behind it, on one line; empty where the problem says all.
        fix: what to type or to change, on one line or several.
        severity: a `problem` makes the command exit with 1; a `remark` does not.
    """

    model_config = ConfigDict(frozen=True)

    check: str
    problem: str
    evidence: str
    fix: str
    severity: Severity = "problem"

    def text(self) -> str:
        r"""The finding as it is shown.

        >>> print(Finding(check="x", problem="m.pt: is odd.", evidence="3 of 4", fix="mend it").text())
        m.pt: is odd.
          evidence: 3 of 4
          fix: mend it
        """
        lines = [self.problem]
        for word, said in (("evidence", self.evidence), ("fix", self.fix)):
            first, *others = said.splitlines() or [""]
            if first:
                lines += [f"  {word}: {first}", *(f"    {line}" for line in others)]
        return "\n".join(lines)
