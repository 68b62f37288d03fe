"""The check of the model's answers: one cause is looked for, and named once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from quba_check.core.view import CLEAN
from quba_check.doctor import advice, class_order
from quba_check.doctor import shuffled_labels as set_labels
from quba_check.doctor.class_order import Lift, accuracy_lift, labels
from quba_check.doctor.class_order_candidates import Columns
from quba_check.doctor.finding import Finding
from quba_check.doctor.preprocessing import Better, better_geometry, better_normalisation
from quba_check.doctor.preprocessing_candidates import bgr_candidates, candidates
from quba_check.doctor.significance import FEWEST, is_at_chance
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.errors import ModelError

_CONFIDENT = 0.5
_CHANCE_LOOK = 512
_POOR = 0.5


def check(patient: ModelUnderTest) -> Iterator[Finding]:
    """Wrong class order, wrong preparation, shuffled labels, or a model that knows nothing.

    The order comes first, since it costs no further forward; then the preparation, with labels read in the
    order that was found; where both are wrong, the order once more under each preparation. What is at chance
    in all of them has no cause that can be named, and is said in one finding.
    """
    if not patient.has(CLEAN) or len(patient.sample(limit=FEWEST)) < FEWEST:
        return
    if (refused := class_order.supplied_order_finding(patient)) is not None:
        yield refused
        return
    variant, columns = patient.usual, np.arange(len(patient.suite.classes))
    chance = _is_at_chance(patient, variant, columns)
    lift = accuracy_lift(patient, variant, many=chance)
    if lift is not None:
        columns = lift.order.columns(patient.suite.classes)
        chance = False
    better = _better(patient, columns, chance=chance)
    if better is not None:
        variant = better.variant
        chance = _is_at_chance(patient, variant, columns)
    if chance:
        lift, variant = _order_under_others(patient, better)
        columns = columns if lift is None else lift.order.columns(patient.suite.classes)
        chance = lift is None
    if lift is not None:
        yield class_order.finding(patient, lift)
    if better is not None:
        yield advice.finding(patient, better)
    if chance:
        yield from _nothing_known(patient, variant, columns)
    else:
        yield from set_labels.shuffled_sets(patient, variant, columns)


def _better(patient: ModelUnderTest, columns: Columns, *, chance: bool) -> Better | None:
    better = better_normalisation(patient, columns, labels_count=not chance)
    if better is not None or (patient.short and _accuracy(patient, patient.usual, columns) >= _POOR):
        return better
    return better_geometry(patient, columns)


def _order_under_others(patient: ModelUnderTest, better: Better | None) -> tuple[Lift | None, Variant]:
    """The order that lifts accuracy under another preparation than the one in use."""
    if better is not None:
        return accuracy_lift(patient, better.variant, many=True), better.variant
    if not patient.short:
        for other in (*candidates(patient.usual), *bgr_candidates(patient.usual)):
            try:
                lift = accuracy_lift(patient, other.variant, many=False)
            except ModelError:
                continue
            if lift is not None:
                return lift, other.variant
    return None, patient.usual


def _nothing_known(patient: ModelUnderTest, variant: Variant, columns: Columns) -> Iterator[Finding]:
    examples = patient.sample(limit=_CHANCE_LOOK)
    right = _right(patient, variant, columns, limit=len(examples))
    if not is_at_chance(right, len(examples), len(columns)):
        return
    confidence = float(patient.logits(examples, variant=variant).softmax(dim=1).amax(dim=1).mean())
    classes, n = len(columns), len(examples)
    numbers = (
        f"{right} of {n} clean images right, {n / classes:.3g} by guessing; mean confidence {confidence:.2f}"
    )
    elsewhere = set_labels.good_set(patient, variant, columns)
    if elsewhere is not None:
        yield Finding(
            check="labels",
            problem=f"{patient.suite.name}: the labels of the set 'clean' look shuffled.",
            evidence=f"{numbers}; on the set '{elsewhere.name}' accuracy {elsewhere.accuracy:.3f}",
            fix=set_labels.FIX,
        )
        return
    fix = (
        "the model is sure of its answers: compare a few images with their labels by eye, and the class list "
        "with that of training"
        if confidence >= _CONFIDENT
        else "check that these are the weights of a trained model, and that it was trained on these classes"
    )
    yield Finding(
        check="chance",
        problem=f"{patient.classifier.spec}: the model answers at chance on the clean set, "
        "in every class order and preparation that was tried.",
        evidence=numbers,
        fix=fix,
    )


def _is_at_chance(patient: ModelUnderTest, variant: Variant, columns: Columns) -> bool:
    n = len(patient.sample(limit=64))
    return is_at_chance(_right(patient, variant, columns, limit=n), n, len(columns))


def _accuracy(patient: ModelUnderTest, variant: Variant, columns: Columns) -> float:
    n = len(patient.sample(limit=64))
    return _right(patient, variant, columns, limit=n) / n


def _right(patient: ModelUnderTest, variant: Variant, columns: Columns, *, limit: int) -> int:
    examples = patient.sample(limit=limit)
    top1 = class_order.answers(patient, examples, variant)
    return int((top1 == columns[labels(examples)]).sum())
