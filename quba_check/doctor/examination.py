"""All checks, one after the other, and what an examination leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from quba_check.doctor import accuracy as answers
from quba_check.doctor import determinism as steadiness
from quba_check.doctor import gradients, output_kinds
from quba_check.doctor import image_files as stored_images
from quba_check.doctor import missing_sets as coverage
from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import ModelUnderTest
from quba_check.errors import UserError


class Check(NamedTuple):
    """A check and its name.

    Attributes:
        name: as findings carry it.
        findings: looks at the patient; yields nothing where there is nothing to say.
        is_final: after a problem that it found, the answers mean nothing and later checks are not made.
    """

    name: str
    findings: Callable[[ModelUnderTest], Iterator[Finding]]
    is_final: bool = False


LISTINGS: tuple[Check, ...] = (Check("sets", coverage.check),)
"""What looks at no image and shows the model none: made anew every time."""

CHECKS: tuple[Check, ...] = (
    Check("images", stored_images.check),
    Check("steadiness", steadiness.check, is_final=True),
    Check("outputs", output_kinds.check),
    Check("answers", answers.check),
)
"""In order: what makes answers meaningless comes before what reads them."""

GRADIENTS = Check("gradients", gradients.check)
"""Made by a full examination if adversarial_robustness is needed: its passes are dear."""


class Examination(BaseModel):
    """What was looked at, and what was found.

    Attributes:
        model: the model's spec.
        suite: the suite's name.
        root: the data folder.
        device: where the model ran; None where it could not be loaded.
        precision: of its forward passes, likewise.
        form: `full`, or `short` as before a gate run.
        checks: names of the checks that were made.
        decoded: image files that were decoded to look at them.
        forwards: images that the model was shown.
        remembered: nothing was done anew but to list the sets: model and images are those of an earlier time.
        findings: in the order of the checks; none for a healthy patient.
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
    def is_healthy(self) -> bool:
        """Whether no problem was found."""
        return not any(finding.severity == "problem" for finding in self.findings)


EXAMINATIONS = TypeAdapter(tuple[Examination, ...])
"""Writes what `quba-check doctor --json` prints: one examination for each model."""


def examine(patient: ModelUnderTest, checks: tuple[Check, ...] = CHECKS) -> tuple[Finding, ...]:
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
        mine: list[Finding] = []
        try:
            mine.extend(check.findings(patient))  # what came before an error is kept
        except torch.OutOfMemoryError:
            mine.append(_without_memory(check.name))
        except UserError as error:
            if str(error) not in {finding.problem for finding in found}:
                mine.append(Finding(check=check.name, problem=str(error), evidence="", fix=""))
        found += mine
        if check.is_final and any(finding.severity == "problem" for finding in mine):
            break
    return tuple(found)


def _without_memory(check: str) -> Finding:
    return Finding(
        check=check,
        problem=f"The device has too little memory for the doctor's check '{check}'.",
        evidence="",
        fix="measure as you like; to have it checked: quba-check doctor --device cpu",
        severity="remark",
    )


def examination_schema() -> dict[str, Any]:
    """JSON Schema of what `quba-check doctor --json` prints."""
    return EXAMINATIONS.json_schema(by_alias=True)
