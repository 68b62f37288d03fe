"""The check of the model's accuracy, for one cause of wrong answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from quba_check.doctor.class_order import (
    BetterOrder,
    better_order,
    labels,
    order_finding,
    predictions,
    supplied_order_finding,
)
from quba_check.doctor.class_order_candidates import Columns
from quba_check.doctor.finding import Finding
from quba_check.doctor.preprocessing import (
    BetterVariant,
    better_geometry,
    better_normalisation,
    preprocessing_finding,
)
from quba_check.doctor.preprocessing_candidates import bgr_candidates, normalisation_candidates
from quba_check.doctor.shuffled_labels import FIX, accurate_set, shuffled_sets
from quba_check.doctor.significance import is_at_chance
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.errors import ModelError

_IMAGES, _CHANCE_IMAGES = 64, 512
_CONFIDENT = 0.5
_POOR = 0.5


def check(subject: ModelUnderTest) -> Iterator[Finding]:
    """Report a wrong class order, wrong preprocessing, shuffled labels, or an untrained model.

    The order comes first, since it costs no further forward pass. The preprocessing follows, with labels read
    in that order; if both are wrong, the order again under each preprocessing. Chance in all of them is one
    finding without a cause.
    """
    if not subject.has_enough_images():
        return
    if (finding := supplied_order_finding(subject)) is not None:
        yield finding
        return
    classes = subject.suite.classes
    variant, columns = subject.current, np.arange(len(classes))
    at_chance = _is_at_chance(subject, variant, columns)
    order = better_order(subject, variant, many=at_chance)
    if order is not None:
        columns = order.order.columns(classes)
        at_chance = False
    better = _better_variant(subject, columns, at_chance=at_chance)
    if better is not None:
        variant = better.variant
        at_chance = _is_at_chance(subject, variant, columns)
    if at_chance:
        order, variant = _order_under_variants(subject, better)
        columns = columns if order is None else order.order.columns(classes)
        at_chance = order is None
    if order is not None:
        yield order_finding(subject, order)
    if better is not None:
        yield preprocessing_finding(subject, better)
    if at_chance:
        yield from _chance_findings(subject, variant, columns)
    else:
        yield from shuffled_sets(subject, variant, columns)


def _better_variant(subject: ModelUnderTest, columns: Columns, *, at_chance: bool) -> BetterVariant | None:
    better = better_normalisation(subject, columns, use_labels=not at_chance)
    if better is None and subject.short:
        n_correct, n = _n_correct(subject, subject.current, columns)
        if n_correct / n >= _POOR:
            return None
    return better or better_geometry(subject, columns)


def _order_under_variants(
    subject: ModelUnderTest, better: BetterVariant | None
) -> tuple[BetterOrder | None, Variant]:
    """Return a better class order under another preprocessing than the one in use."""
    current = subject.current
    if better is not None:
        return better_order(subject, better.variant, many=True), better.variant
    if not subject.short:
        for variant in (*normalisation_candidates(current), *bgr_candidates(current)):
            try:
                order = better_order(subject, variant, many=False)
            except ModelError:
                continue
            if order is not None:
                return order, variant
    return None, current


def _chance_findings(subject: ModelUnderTest, variant: Variant, columns: Columns) -> Iterator[Finding]:
    n_correct, n = _n_correct(subject, variant, columns, _CHANCE_IMAGES)
    if not is_at_chance(n_correct, n, len(columns)):
        return
    probability = subject.logits(subject.sample(limit=n), variant=variant).softmax(dim=1)
    confidence = float(probability.amax(dim=1).mean())
    evidence = (
        f"{n_correct} of {n} clean images right, {n / len(columns):.3g} by guessing; "
        f"mean confidence {confidence:.2f}"
    )
    other_set = accurate_set(subject, variant, columns)
    if other_set is not None:
        yield Finding(
            check="labels",
            problem=f"{subject.suite.name}: the labels of the set 'clean' look shuffled.",
            evidence=f"{evidence}; on the set '{other_set.name}' accuracy {other_set.accuracy:.3f}",
            fix=FIX,
        )
        return
    yield subject.finding(
        "chance",
        "the model is at chance on the clean set, in every class order and preprocessing that was tried.",
        evidence,
        "the model is confident: compare some images with their labels by eye, and the class list with "
        "that of training"
        if confidence >= _CONFIDENT
        else "check that these are the weights of a trained model, and that it was trained on these classes",
    )


def _is_at_chance(subject: ModelUnderTest, variant: Variant, columns: Columns) -> bool:
    n_correct, n = _n_correct(subject, variant, columns)
    return is_at_chance(n_correct, n, len(columns))


def _n_correct(
    subject: ModelUnderTest, variant: Variant, columns: Columns, limit: int = _IMAGES
) -> tuple[int, int]:
    """Return the number of correct answers on a clean sample, and its size."""
    examples = subject.sample(limit=limit)
    correct = predictions(subject, examples, variant) == columns[labels(examples)]
    return int(correct.sum()), len(examples)
