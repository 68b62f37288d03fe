"""adversarial_robustness: how much of the accuracy is left when someone aims at the model."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import MASKED, Measurement
from quba_check.core.predictions import Predictions
from quba_check.core.streaming import SequentialStatistic
from quba_check.core.view import CLEAN, FGSM, PGD
from quba_check.dimensions._ratios import (
    Ratio,
    Tables,
    accuracy_on,
    clean_accuracy,
    geometric_mean_ratio,
    ratios,
    share,
)
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._streaming import first, right_on, streamed_ratio, streamed_share
from quba_check.errors import InvariantError
from quba_check.metrics.means import geometric_mean
from quba_check.number_format import format_distinct
from quba_check.stats.estimate import Estimate

ZERO_GRADIENTS = 0.01
"""Share of images without an input gradient above which the value is marked as masked."""
SURER = 0.25
"""Share of the correctly classified clean images for which an attack may raise the confidence."""
STANDARD_ERRORS = 2
"""Standard errors by which an attack may help the model, or PGD be weaker than FGSM, by chance."""


def _held(predictions: Tables) -> NDArray[np.bool_]:
    """Right when clean and at every attacked point that was seen."""
    always = predictions[PGD].extra["always_right"].astype(np.bool_)
    held: NDArray[np.bool_] = predictions[CLEAN].correct & predictions[FGSM].correct & always
    return held


def _streamed(_suite: SuiteFacts, part: str | None) -> SequentialStatistic | None:
    fgsm, pgd = streamed_ratio((FGSM,), right_on(FGSM)), streamed_ratio((PGD,), right_on(PGD))
    single = {
        "fgsm": fgsm,
        "pgd": pgd,
        "fgsm_accuracy": streamed_share((FGSM,), right_on(FGSM)),
        "pgd_accuracy": streamed_share((PGD,), right_on(PGD)),
        "worst_case": streamed_ratio((FGSM, PGD), _held),
    }
    if part is None:
        return SequentialStatistic((fgsm, pgd), geometric_mean)
    return SequentialStatistic((single[part],), first) if part in single else None


@dimension(
    "adversarial_robustness",
    title="How much of the accuracy is left under gradient attacks that move no pixel by more than 8/255.",
    unit="ratio",
    better="high",
    weight=1 / 3,
    source="arXiv 2503.17110; FGSM: Goodfellow et al., ICLR 2015; PGD: Madry et al., ICLR 2018",
    views=(CLEAN, FGSM, PGD),
    parts=(
        Part("fgsm", "ratio", "high", "relative accuracy under FGSM"),
        Part("pgd", "ratio", "high", "relative accuracy under PGD"),
        Part("fgsm_accuracy", "fraction", "high", "accuracy under FGSM"),
        Part("pgd_accuracy", "fraction", "high", "accuracy under PGD"),
        Part("worst_case", "ratio", "high", "right when clean and at every attacked point seen, relative"),
        Part("zero_gradient", "fraction", None, "share of images without an input gradient"),
    ),
    streamed=_streamed,
)
def measure(predictions: Tables, _facts: Facts) -> Measurement:
    """Geometric mean of acc(FGSM) / acc(clean) and acc(PGD) / acc(clean).

    Raises:
        UnmeasurableError: there are no clean images, or the clean accuracy is 0.
        InvariantError: the three tables are not of the same images.
    """
    clean, fgsm, pgd = predictions[CLEAN], predictions[FGSM], predictions[PGD]
    clean_accuracy(predictions)
    if not (np.array_equal(clean.index, fgsm.index) and np.array_equal(clean.index, pgd.index)):
        raise InvariantError(
            "adversarial_robustness: clean, FGSM and PGD predictions are of different images"
        )
    found = ratios(predictions, (FGSM, PGD))
    whole = geometric_mean_ratio(list(found.values()))
    parts = {
        "fgsm": found[FGSM].quantity(),
        "pgd": found[PGD].quantity(),
        "fgsm_accuracy": accuracy_on(predictions, FGSM),
        "pgd_accuracy": accuracy_on(predictions, PGD),
        "worst_case": Ratio(_held(predictions), clean.correct, CLEAN).quantity(),
        "zero_gradient": share(fgsm.extra["zero_gradient"].astype(np.bool_), CLEAN),
    }
    masked = tuple(_masking(clean, fgsm, pgd))
    notes = (*(f"{MASKED}{sign}" for sign in masked), *_overshoot(fgsm, pgd))
    return Measurement.of("adversarial_robustness", whole, parts=parts, notes=notes, masked=masked)


def _masking(clean: Predictions, fgsm: Predictions, pgd: Predictions) -> Iterator[str]:
    """Signs that the gradient misleads the attacks, so that the model looks more robust than it is."""
    flat = _zero_gradient(fgsm)
    if flat > ZERO_GRADIENTS:
        yield f"{flat:.1%} of images have no input gradient".replace("%", " %")
    if _is_above(pgd.correct, fgsm.correct):
        weak, strong = format_distinct(pgd.accuracy, fgsm.accuracy, "fraction")
        yield f"PGD is weaker than FGSM (acc {weak} > {strong})"
    for name, attacked in (("FGSM", fgsm), ("PGD", pgd)):
        if _is_above(attacked.correct, clean.correct):
            helped, before = format_distinct(attacked.accuracy, clean.accuracy, "fraction")
            yield f"{name} helps the model (acc {helped} > {before} clean)"
        elif surer := _surer(clean, attacked):
            yield f"{name} makes the model surer of {surer:.0%} of the images it gets right".replace(
                "%", " %"
            )


def _is_above(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> bool:
    """True if the first share of the same images is higher by more than chance."""
    gain = Estimate.mean(first, CLEAN) - Estimate.mean(second, CLEAN)
    return gain.value > STANDARD_ERRORS * gain.standard_error


def _surer(clean: Predictions, attacked: Predictions) -> float:
    """Share of correctly classified clean images with higher confidence under attack.

    0 if the share may be chance. A step along a meaningful gradient lowers nearly all of these probabilities;
    a step in a random direction lowers half of them, whatever the accuracy.
    """
    right = clean.correct
    surer = (attacked.true_probability > clean.true_probability)[right]
    if not len(surer):
        return 0.0
    share = float(surer.mean())
    error = math.sqrt(SURER * (1 - SURER) / len(surer))
    return share if share > SURER + STANDARD_ERRORS * error else 0.0


def _zero_gradient(fgsm: Predictions) -> float:
    return float(fgsm.extra["zero_gradient"].astype(np.float64).mean())


def _overshoot(*attacked: Predictions) -> Iterator[str]:
    """How far attacks on normalised inputs, clamped to [0, 1] there, went beyond their budget in pixels."""
    moved = [table.extra["moved"] for table in attacked if "moved" in table.extra]
    shares = [table.extra["moved_share"] for table in attacked if "moved_share" in table.extra]
    if moved and shares:
        largest = float(np.concatenate(moved).max())
        share = float(np.mean(np.concatenate(shares), dtype=np.float64))
        yield (
            f"released attack: largest pixel move {largest:.2f}, "
            f"{100 * share:.0f} % of pixel values moved by more than 8/255"
        )
