"""Answers: share and accuracy of the images that a model is sure enough to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, replace

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import ConfidenceCurve, curve_of
from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, SidesOfSets, Table, Unmeasurable
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.requests import AnswerMetric, AnswerRequest, AnswerScore
from quba_check.core.view import CLEAN
from quba_check.dimensions._ratios import accuracy_on, additive_quantity, share
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._scores import image_scores
from quba_check.errors import UnmeasurableError
from quba_check.metrics.selective import Guarantee, aurc, guaranteed_threshold, least_answered, risk_coverage
from quba_check.stats.estimate import Estimate
from quba_check.stats.intervals import share_limits

POINTS = 100
"""Largest number of points of the risk-coverage curve in a record."""
REMEDY = "state a probability or a margin under 'answers.at'"
_TITLES: dict[AnswerMetric, str] = {
    "share": "share of images that are answered",
    "accuracy": "accuracy of the answered images",
    "aurc": "area under the risk-coverage curve",
}
ImageScores = NDArray[np.float64]


def _requests(suite: SuiteFacts) -> tuple[AnswerRequest, ...]:
    return tuple(request for request in suite.requests if isinstance(request, AnswerRequest))


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    return tuple(
        Part(request.name, "fraction", "low" if request.metric == "aurc" else "high", _TITLES[request.metric])
        for request in _requests(suite)
    )


@dimension(
    "answers",
    title="How often the model is wrong if it answers only the images that it is surest of.",
    unit="fraction",
    better="low",
    source="AURC: Geifman, Uziel and El-Yaniv, ICLR 2019; thresholds: Angelopoulos et al., arXiv 2110.01052",
    views=(CLEAN,),
    parts=_parts,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Area under the risk-coverage curve of the largest probability; lower is better.

    The parts are the numbers that threshold files ask for.

    Raises:
        UnmeasurableError: there are no clean images.
    """
    accuracy_on(predictions, CLEAN)  # raises the reason of an empty set
    clean = predictions[CLEAN]
    parts: dict[str, Quantity] = {}
    unmeasured: dict[str, Unmeasurable] = {}
    found: dict[AnswerRequest, Guarantee] = {}
    for request in _requests(facts.suite):
        try:
            parts[request.name] = _quantity(request, clean, facts, found)
        except UnmeasurableError as error:
            unmeasured[request.name] = Unmeasurable("answers", error.reason, error.missing_data)
    tables = {"risk_coverage": _curve(clean)}
    if any(one.threshold is not None for one in found.values()):
        tables["thresholds"] = _thresholds(found)
    notes = tuple(_note(rule, one, clean) for rule, one in found.items())
    whole = _area(clean, _scores(clean, "max_probability"))
    measurement = Measurement.of("answers", whole, parts=parts, notes=notes, tables=tables)
    return replace(measurement, unsliced=unmeasured)


def _quantity(
    request: AnswerRequest, clean: Predictions, facts: Facts, found: dict[AnswerRequest, Guarantee]
) -> Quantity:
    """Return a requested number; thresholds that are searched for it are added to `found`.

    Raises:
        UnmeasurableError: no image is answered, or the score needs logits.
    """
    scores = _scores(clean, request.score, facts.model.outputs)
    if request.metric == "aurc":
        return _area(clean, scores)
    threshold = request.threshold
    if request.error is not None:
        rule = replace(request, metric="share")
        if rule not in found:
            bounds = {"error": request.error, "confidence": request.confidence}
            found[rule] = guaranteed_threshold(scores, clean.correct, **bounds, groups=clean.group)
        threshold = found[rule].threshold
    answered = np.zeros(len(clean), bool) if threshold is None else _is_answered(scores, threshold)
    if request.metric == "share":
        return replace(share(answered, CLEAN), curve=_curve_of_share(int(answered.sum()), len(clean)))
    n, right = int(np.count_nonzero(answered)), answered & clean.correct
    if not n:
        reason = "" if threshold is None else f": every {request.score} is below {threshold:.9g}"
        raise UnmeasurableError(f"no image is answered{reason}")
    accuracy = Estimate.mean(right, CLEAN) / Estimate.mean(answered, CLEAN)
    curve = _curve_of_share(int(np.count_nonzero(right)), n)
    sides: SidesOfSets = {CLEAN: answered.astype(np.int8)}
    return Quantity(accuracy.value, "fraction", n, curve, influences=accuracy.influences, sides=sides)


def _curve_of_share(hits: int, n: int) -> ConfidenceCurve | None:
    return curve_of(lambda z, effect: share_limits(hits / effect, n / effect, z), 0.0, 1.0)


def _area(clean: Predictions, scores: ImageScores) -> Quantity:
    return additive_quantity(aurc(scores, clean.correct, CLEAN), len(clean))


def _scores(clean: Predictions, score: AnswerScore, outputs: str | None = None) -> ImageScores:
    """Return scores at the precision of stored predictions, at which a threshold is compared."""
    return image_scores(clean, score, outputs, REMEDY).astype(np.float32).astype(np.float64)


def _is_answered(scores: ImageScores, threshold: float) -> NDArray[np.bool_]:
    answered: NDArray[np.bool_] = scores >= np.float32(threshold)
    return answered


def _curve(clean: Predictions) -> Table:
    """Return points of the risk-coverage curve at about equal distances of the share."""
    curve, n = risk_coverage(_scores(clean, "max_probability"), clean.correct), len(clean)
    wanted = np.linspace(1, n, min(n, POINTS))
    rows = np.unique(np.searchsorted(curve.answered, np.floor(wanted)))
    columns = (curve.threshold[rows], curve.answered[rows] / n, (curve.wrong / curve.answered)[rows])
    points = zip(*(column.tolist() for column in columns), strict=True)
    return Table(("threshold", "share", "error"), tuple(points), "score: max_probability")


def _thresholds(found: Mapping[AnswerRequest, Guarantee]) -> Table:
    rows = [(rule.score, *astuple(one), rule.error, rule.confidence) for rule, one in found.items()]
    columns = ("score", "threshold", "answered", "wrong", "error", "confidence")
    return Table(columns, tuple(row for row in rows if row[1] is not None))


def _note(rule: AnswerRequest, found: Guarantee, clean: Predictions) -> str:
    error, n = rule.error or 0.0, len(clean)
    guarantee = f"at most {100 * error:g} % of the answers to new images are wrong"
    confidence = f"with {100 * rule.confidence:g} % confidence"
    if found.threshold is None:
        least, unit, images = least_answered(error, rule.confidence), "answers", f"{n:,} images"
        if clean.group is not None:
            unit, images = "groups of answers", f"{len(np.unique(clean.group)):,} groups"
        return (
            f"no threshold of {rule.score} shows {confidence} that {guarantee}: "
            f"that takes at least {least:,} {unit} without an error, and the set has {images}"
        )
    return (
        f"answer if {rule.score} >= {found.threshold:.9g} ({found.answered:,} of {n:,} images, "
        f"{found.wrong:,} wrong): {confidence}, {guarantee}"
    )
