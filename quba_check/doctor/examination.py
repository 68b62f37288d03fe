"""The doctor's checks in order, and the examination as their result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from quba_check.doctor import accuracy, determinism, gradients, image_files, missing_sets, output_kinds
from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import ModelUnderTest
from quba_check.doctor.time_budget import SECONDS, OutOfTimeError
from quba_check.errors import UserError
from quba_check.messages import listed

TIME = "time"
"""The check of the finding on what the time budget left out."""


class Check(NamedTuple):
    """A named check.

    Attributes:
        name: the name in findings.
        findings: yields the findings for a model; none if it is healthy.
        is_final: answers are meaningless after a problem of this check, and later checks are skipped.
    """

    name: str
    findings: Callable[[ModelUnderTest], Iterator[Finding]]
    is_final: bool = False


SET_CHECKS: tuple[Check, ...] = (Check("sets", missing_sets.check),)
"""Checks without images, made every time."""

CHECKS: tuple[Check, ...] = (
    Check("images", image_files.check),
    Check("steadiness", determinism.check, is_final=True),
    Check("outputs", output_kinds.check),
    Check("answers", accuracy.check),
)
"""In order: errors that make answers meaningless come before checks that read answers."""

GRADIENTS = Check("gradients", gradients.check)
"""For a full examination with adversarial_robustness: its passes are expensive."""


class Examination(BaseModel):
    """Extent and findings of an examination.

    Attributes:
        model: the model's spec.
        suite: the suite's name.
        root: the data folder.
        device: device of the model; None if it could not be loaded.
        precision: of its forward passes, likewise.
        form: `full`, or `short` as before a gate run.
        checks: names of the checks.
        decoded: number of image files decoded to check them.
        forwards: number of images in forward passes.
        remembered: findings on model and images come from the cache.
        findings: in the order of the checks; none for a healthy model.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    model: str
    suite: str
    root: str
    device: str | None = None
    precision: str | None = None
    form: Literal["full", "short"]
    checks: tuple[str, ...] = ()
    decoded: int = 0
    forwards: int = 0
    remembered: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def is_complete(self) -> bool:
        """True if the time was enough for all checks."""
        return not any(finding.check == TIME for finding in self.findings)

    @property
    def is_healthy(self) -> bool:
        """True if no finding is a problem."""
        return not any(finding.severity == "problem" for finding in self.findings)


EXAMINATIONS = TypeAdapter(tuple[Examination, ...])
"""Serialiser of `quba-check doctor --json`: one examination for each model."""


def examine(subject: ModelUnderTest, checks: tuple[Check, ...] = CHECKS) -> tuple[Finding, ...]:
    """Return the findings of checks on a model and a suite.

    An error that ends a check, such as an image that cannot be decoded, is a finding too.

    Args:
        subject: the model under examination.
        checks: the checks, in order.

    Returns:
        Findings in the order of the checks; none for a healthy model.
    """
    findings: list[Finding] = []
    budget = subject.budget
    for check in checks:
        if budget.is_spent():
            budget.leave_out(check.name)
            continue
        own: list[Finding] = []
        try:
            own.extend(check.findings(subject))  # findings before an error are kept
        except torch.OutOfMemoryError:
            own.append(
                Finding(
                    check=check.name,
                    problem=f"The device has too little memory for the doctor's check '{check.name}'.",
                    evidence="",
                    fix="measurements are not affected; to run the check: quba-check doctor --device cpu",
                    severity="remark",
                )
            )
        except OutOfTimeError:
            budget.leave_out(check.name)
        except UserError as error:
            if str(error) not in {finding.problem for finding in findings}:
                own.append(Finding(check=check.name, problem=str(error), evidence="", fix=""))
        findings += own
        if check.is_final and any(finding.severity == "problem" for finding in own):
            break
    if budget.left_out:
        findings.append(_time_finding(subject))
    return tuple(findings)


def _time_finding(subject: ModelUnderTest) -> Finding:
    """Return the finding on the steps that the time budget left out."""
    longer = f"quba-check doctor, which takes up to {SECONDS:g} seconds, or "
    return subject.finding(
        TIME,
        f"the doctor's {subject.budget.seconds:g} seconds ended before {listed(subject.budget.left_out)}.",
        "",
        f"measurements are not affected; for the rest: {longer if subject.short else ''}a faster --device",
        severity="remark",
    )


def examination_schema() -> dict[str, Any]:
    """Return the JSON Schema of `quba-check doctor --json`."""
    return EXAMINATIONS.json_schema(by_alias=True)
