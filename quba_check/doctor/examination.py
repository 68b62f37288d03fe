"""The doctor's checks in order, and the examination as their result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from quba_check.core.view import CLEAN
from quba_check.dimensions import registry
from quba_check.doctor import accuracy, determinism
from quba_check.doctor.finding import Finding
from quba_check.doctor.outputs import GRADIENTS_DIMENSION, check_gradients, check_outputs
from quba_check.doctor.sets import check_images, check_sets
from quba_check.doctor.subject import SECONDS, SHORT_SECONDS, ModelUnderTest, TimeBudget
from quba_check.errors import SuiteError, UserError
from quba_check.evaluation import Evaluation
from quba_check.messages import listed
from quba_check.models.errors import is_out_of_memory
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.locations import digests_file

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


SET_CHECKS: tuple[Check, ...] = (Check("sets", check_sets),)
"""Checks without images."""

CHECKS: tuple[Check, ...] = (
    Check("images", check_images),
    Check("steadiness", determinism.check, is_final=True),
    Check("outputs", check_outputs),
    Check("answers", accuracy.check),
)
"""In order: errors that make answers meaningless come before checks that read answers."""

GRADIENTS = Check("gradients", check_gradients)
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
        findings: in the order of the checks; none for a healthy model.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

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


def examine_model(
    evaluation: Evaluation,
    needs: Mapping[str, Sequence[str]],
    *,
    short: bool,
    order: Sequence[str] | None = None,
    estimate_order: bool = False,
) -> Examination:
    """Examine a model on a suite.

    Args:
        evaluation: the model on the suite.
        needs: the demanded dimensions, each with `file:line` of its demands.
        short: use fewer images, as before a gate run, and none if no dimension needs any.
        order: the user's class names in the order of the model's outputs, if given.
        estimate_order: propose a class order estimated from the answers.
    """
    classifier = evaluation.classifier
    suite = evaluation.suite
    subject = ModelUnderTest(
        classifier,
        suite,
        seed=evaluation.seed,
        needs=needs,
        order=order,
        estimate_order=estimate_order,
        short=short,
        engine=evaluation.engine if short else None,
    )
    findings = examine(subject, SET_CHECKS)
    checks = CHECKS if _can_show_images(subject) else ()
    if checks and not short:
        from quba_check.doctor import clean_sets

        digests = ContentDigests(digests_file(evaluation.store.root))
        has_gradients = GRADIENTS_DIMENSION in needs and not classifier.no_gradient
        pictures = Check(clean_sets.CHECK, partial(clean_sets.check, digests=digests))
        checks = (*checks, *([GRADIENTS] if has_gradients else []), pictures)
    subject.budget = TimeBudget(SHORT_SECONDS if short else SECONDS)  # listing remote sets does not count
    findings += examine(subject, checks)
    names = (check.name for check in (*SET_CHECKS, *checks))
    return Examination(
        model=classifier.spec,
        suite=suite.name,
        root=suite.location,
        device=str(classifier.device),
        precision=classifier.compute.precision,
        form="short" if short else "full",
        checks=tuple(name for name in names if name not in subject.budget.left_out),
        decoded=subject.decoded,
        forwards=subject.forwards,
        findings=findings,
    )


def _can_show_images(subject: ModelUnderTest) -> bool:
    """True if there are clean images; in the short form, a dimension must need images."""
    facts = subject.suite.facts
    if subject.short and not any(registry[name].views(facts) for name in subject.needs):
        return False
    try:
        return subject.has_images(CLEAN) and bool(subject.suite.counts([CLEAN]))
    except SuiteError:  # reported by the check of the sets, if a demand needs this one
        return False


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
            with budget.step(check.name):
                own.extend(check.findings(subject))  # findings before an error are kept
        except (UserError, torch.OutOfMemoryError) as error:
            if is_out_of_memory(error.__cause__ or error):
                problem = f"The device has too little memory for the doctor's check '{check.name}'."
                fix = "measurements are not affected; to run the check: quba-check doctor --device cpu"
                own.append(
                    Finding(check=check.name, problem=problem, evidence="", fix=fix, severity="remark")
                )
            elif str(error) not in {finding.problem for finding in findings}:
                own.append(Finding(check=check.name, problem=str(error), evidence="", fix=""))
        findings += own
        if check.is_final and any(finding.severity == "problem" for finding in own):
            break
    if budget.left_out:
        longer = f"quba-check doctor, which takes up to {SECONDS:g} seconds" if subject.short else "repeat it"
        remark = subject.finding(
            TIME,
            f"not examined: {listed(budget.left_out)}; the doctor's {budget.seconds:g} seconds ended first.",
            "",
            f"measurements are not affected; for the rest: {longer}, on a less busy or faster device",
            severity="remark",
        )
        findings.append(remark)
    return tuple(findings)
