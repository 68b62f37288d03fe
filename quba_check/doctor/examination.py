"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from quba_check.doctor.finding import Finding
from quba_check.doctor.patient import Patient
from quba_check.errors import UserError


class Check(NamedTuple):
    """A check and its name.

    Attributes:
        name: as findings carry it.
        findings: looks at the patient; yields nothing where there is nothing to say.
        is_final: after a problem that it found, the answers mean nothing and later checks are not made.
    """

    name: str
    findings: Callable[[Patient], Iterator[Finding]]
    is_final: bool = False


CHECKS: tuple[Check, ...] = ()
"""In order: what makes answers meaningless comes before what reads them."""


def examine(patient: Patient, checks: tuple[Check, ...] = CHECKS) -> tuple[Finding, ...]:
    """What is wrong with a model on a suite, as far as few images can show it.

    A mistake that keeps a check from its work, such as an image that cannot be decoded, is a finding too.

    Args:
        patient: who is examined.
        checks: what is looked for.

    Returns:
        Findings in the order of the checks; none for a healthy patient.
    """
    found: list[Finding] = []
    for check in checks:
        try:
            mine = list(check.findings(patient))
        except UserError as error:
            known = {finding.problem for finding in found}
            mine = [Finding(check=check.name, problem=str(error), evidence="", fix="")]
            mine = [finding for finding in mine if finding.problem not in known]
        found += mine
        if check.is_final and any(finding.severity == "problem" for finding in mine):
            break
    return tuple(found)
