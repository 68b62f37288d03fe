"""Adversarial robustness: the share of the clean accuracy left under gradient attacks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import MASKED, TRANSFERRED, Measurement, Quantity
from quba_check.core.predictions import Predictions, Tables, most_frequent_class
from quba_check.core.protocols import EPSILON
from quba_check.core.request import Request
from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.dimensions._ratios import (
    Ratio,
    accuracy_on,
    geometric_mean_ratio,
    ratios,
    reference_notes,
    share,
)
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import RowSource, with_requests
from quba_check.dimensions._rows import Rows
from quba_check.errors import InvariantError
from quba_check.number_format import format_distinct
from quba_check.stats.estimate import Estimate

ZERO_GRADIENTS = 0.01
"""Share of images without an input gradient above which the value is marked as masked."""
SATURATED = 1e-6
"""Distance from 1 of a confidence that is rounded to 1, where the gradient of the loss vanishes."""
SAME = 1e-3
"""Largest difference of equal confidences, relative to their distance from 1."""
SURER = 0.25
"""Share of the correctly classified clean images for which an attack may raise the confidence."""
LEAST_FIT = 0.5
"""Share of the images that fool a reference below which its attack does not fit the model."""
STANDARD_ERRORS = 2
"""Standard errors by which an attack may help the model, or PGD be weaker than FGSM, by chance."""

_NAME = "adversarial_robustness"
_WHOLE = "relative accuracy under both attacks"
_PARTS = (
    Part("fgsm", "ratio", "high", "relative accuracy under FGSM"),
    Part("pgd", "ratio", "high", "relative accuracy under PGD"),
    Part("fgsm_accuracy", "fraction", "high", "accuracy under FGSM"),
    Part("pgd_accuracy", "fraction", "high", "accuracy under PGD"),
    Part("worst_case", "ratio", "high", "right when clean and at every attacked point seen, relative"),
    Part("zero_gradient", "fraction", None, "share of images without an input gradient"),
)


def _correct_throughout(predictions: Tables) -> NDArray[np.bool_]:
    """(N,) True if an image is classified correctly when clean and at every attacked point."""
    at_every_iterate = predictions[PGD].extra["always_right"].astype(np.bool_)
    correct: NDArray[np.bool_] = predictions[CLEAN].correct & predictions[FGSM].correct & at_every_iterate
    return correct


def _attacks(suite: SuiteFacts) -> dict[Fraction, tuple[View, View]]:
    """Return FGSM and PGD at each requested ε."""
    sizes = (request.epsilon for request in suite.requests_of(_NAME) if request.epsilon is not None)
    return {epsilon: (replace(FGSM, epsilon=epsilon), replace(PGD, epsilon=epsilon)) for epsilon in sizes}


def _views(suite: SuiteFacts) -> tuple[View, ...]:
    """Return the clean set, and both attacks at 8/255 and each requested ε."""
    return (CLEAN, FGSM, PGD, *(view for views in _attacks(suite).values() for view in views))


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    requested = (
        replace(
            request.as_part,
            title=f"{request.number.title if request.metric else _WHOLE}, ε = {request.epsilon}",
        )
        for request in suite.requests_of(_NAME)
    )
    return (*_PARTS, *requested)


@dimension(
    _NAME,
    title="How much accuracy is left under gradient attacks that move pixels by at most ε, by default 8/255.",
    unit="ratio",
    better="high",
    weight=1 / 3,
    source="arXiv 2503.17110; FGSM: Goodfellow et al., ICLR 2015; PGD: Madry et al., ICLR 2018",
    views=_views,
    parts=_parts,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Geometric mean of acc(FGSM) / acc(clean) and acc(PGD) / acc(clean); higher is better.

    Raises:
        UnmeasurableError: there are no clean images, or the clean accuracy is 0.
        InvariantError: the three tables show different images.
    """
    measured = _measured(predictions, EPSILON)
    clean = predictions[CLEAN]
    attacks = _attacks(facts.suite)
    sizes = {
        epsilon: _measured({CLEAN: clean, FGSM: predictions[fgsm], PGD: predictions[pgd]}, epsilon)
        for epsilon, (fgsm, pgd) in attacks.items()
    }

    def quantity_of(request: Request, rows: Rows) -> Quantity:
        epsilon = request.epsilon or EPSILON
        at_size = sizes[epsilon]
        if rows.is_selected:
            kept, (fgsm, pgd) = np.isin(clean.index, rows.table.index), attacks[epsilon]
            attacked = {FGSM: predictions[fgsm].rows(kept), PGD: predictions[pgd].rows(kept)}
            at_size = _measured({CLEAN: rows.table, **attacked}, epsilon)
        quantity = at_size.quantity(request.metric or None)
        if quantity is None:
            raise InvariantError(f"there is no part {request.metric}", where=_NAME)
        return quantity

    notes = dict.fromkeys(note for measurement in (measured, *sizes.values()) for note in measurement.notes)
    reference = facts.model.surrogate
    if reference:
        notes |= dict.fromkeys(_transfer_notes(predictions[PGD], reference))
    masked_at = {
        str(epsilon): measurement.masked for epsilon, measurement in sizes.items() if measurement.masked
    }
    measured = replace(measured, notes=tuple(notes), masked_at=masked_at, transferred=bool(reference))
    return with_requests(measured, RowSource(predictions, facts.suite), quantity_of)


def _measured(predictions: Tables, epsilon: Fraction) -> Measurement:
    """Return value and parts from the clean set and both attacks of one size."""
    clean = predictions[CLEAN]
    fgsm = predictions[FGSM]
    pgd = predictions[PGD]
    if not (np.array_equal(clean.index, fgsm.index) and np.array_equal(clean.index, pgd.index)):
        raise InvariantError("clean, FGSM and PGD predictions are of different images", where=_NAME)
    relative = ratios(predictions, (FGSM, PGD))
    whole = geometric_mean_ratio(list(relative.values()))
    parts = {
        "fgsm": relative[FGSM].quantity(),
        "pgd": relative[PGD].quantity(),
        "fgsm_accuracy": accuracy_on(predictions, FGSM),
        "pgd_accuracy": accuracy_on(predictions, PGD),
        "worst_case": Ratio(_correct_throughout(predictions), clean.correct, CLEAN).quantity(),
        "zero_gradient": share(fgsm.extra["zero_gradient"].astype(np.bool_), CLEAN),
    }
    size = "" if epsilon == EPSILON else f"ε = {epsilon}: "
    masked = tuple(f"{size}{sign}" for sign in _signs_of_masking(predictions))
    notes = (
        *(f"{MASKED}{sign}" for sign in masked),
        *(f"{size}{note}" for note in _overshoot_notes(fgsm, pgd, epsilon)),
        *reference_notes(predictions),
    )
    return Measurement.of(_NAME, whole, parts=parts, notes=notes, masked=masked)


def _transfer_notes(pgd: Predictions, reference: str) -> Iterator[str]:
    """Yield notes on images that were attacked on another model."""
    fooled = pgd.extra["fools_reference"].astype(np.bool_)
    both = fooled & ~pgd.correct
    yield (
        f"{TRANSFERRED}the images are attacked on the reference {reference}. An upper limit: an attack on "
        f"the model itself could be stronger. PGD fools the reference on {fooled.mean():.1%} of the images, "
        f"both on {both.mean():.1%}"
    ).replace("%", " %")
    if both.sum() < LEAST_FIT * fooled.sum():
        yield f"the attack on {reference} does not fit: few images fool both models. Is it the same network?"


def has_constant_output(
    zero_gradient: NDArray[np.bool_], predicted: NDArray[np.int64], confidence: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return the images without a gradient that share the most frequent constant output.

    A network has one such output where all units of a layer are dead: the gradient is zero because there is
    nothing to hide. Rounded or clipped values give outputs that differ between images. A confidence of 1 is
    no such output, since a saturated loss hides the gradient.

    Args:
        zero_gradient: (N,) True for images without an input gradient.
        predicted: (N,) predicted class.
        confidence: (N,) its probability, in [0, 1].

    Returns:
        (N,) bool.
    """
    if not zero_gradient.any():
        return zero_gradient
    candidates = zero_gradient & (predicted == most_frequent_class(predicted[zero_gradient])[0])
    constant = float(np.median(confidence[candidates]))
    sharing: NDArray[np.bool_] = candidates & (np.abs(confidence - constant) <= SAME * (1 - constant))
    return sharing & (constant < 1 - SATURATED and np.count_nonzero(sharing) > 1)


def _signs_of_masking(predictions: Tables) -> Iterator[str]:
    """Yield signs that gradients mislead the attacks, which then overstate robustness."""
    clean = predictions[CLEAN]
    fgsm = predictions[FGSM]
    pgd = predictions[PGD]
    is_zero = fgsm.extra["zero_gradient"].astype(np.bool_)
    is_constant = has_constant_output(is_zero, clean.predicted, clean.confidence)
    is_constant &= _correct_throughout(predictions) | ~clean.correct  # else an answer can be changed
    if float((is_zero & ~is_constant).mean()) > ZERO_GRADIENTS:
        yield f"{float(is_zero.mean()):.1%} of images have no input gradient".replace("%", " %")
    if _is_above(pgd.correct, fgsm.correct):
        weak, strong = format_distinct(pgd.accuracy, fgsm.accuracy, "fraction")
        yield f"PGD is weaker than FGSM (acc {weak} > {strong})"
    for name, attacked in (("FGSM", fgsm), ("PGD", pgd)):
        if _is_above(attacked.correct, clean.correct):
            after, before = format_distinct(attacked.accuracy, clean.accuracy, "fraction")
            yield f"{name} helps the model (acc {after} > {before} clean)"
        elif surer := _share_surer(clean, attacked):
            percent = f"{surer:.0%}".replace("%", " %")
            yield f"{name} makes the model surer of {percent} of the images it gets right"


def _is_above(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> bool:
    """True if the first share of the same images is higher by more than chance."""
    gain = Estimate.mean(first, CLEAN) - Estimate.mean(second, CLEAN)
    return gain.value > STANDARD_ERRORS * gain.standard_error


def _share_surer(clean: Predictions, attacked: Predictions) -> float:
    """Share of correctly classified clean images with higher confidence under attack.

    0 if the share may be chance. A step along a meaningful gradient lowers nearly all of these probabilities;
    a step in a random direction lowers half of them, whatever the accuracy.
    """
    surer = (attacked.true_probability > clean.true_probability)[clean.correct]
    share = float(surer.mean())
    standard_error = math.sqrt(SURER * (1 - SURER) / len(surer))
    return share if share > SURER + STANDARD_ERRORS * standard_error else 0.0


def _overshoot_notes(fgsm: Predictions, pgd: Predictions, epsilon: Fraction) -> Iterator[str]:
    """Yield a note on pixel changes beyond ε by attacks on normalised inputs."""
    moved = [table.extra for table in (fgsm, pgd) if "moved" in table.extra]
    if moved:
        largest = max(float(columns["moved"].max()) for columns in moved)
        share = float(
            np.mean(np.concatenate([columns["moved_share"] for columns in moved]), dtype=np.float64)
        )
        yield (
            f"released attack: largest pixel move {largest:.2f}, "
            f"{100 * share:.0f} % of pixel values moved by more than {epsilon}"
        )
