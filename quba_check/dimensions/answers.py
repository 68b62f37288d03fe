"""Answers: share and accuracy of the images that a model is sure enough to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement, Quantity, SidesOfSets, Table
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.request import MOST_PROBABLE, AnswerScore, OperatingPoint, Request
from quba_check.core.view import CLEAN
from quba_check.dimensions._ratios import accuracy_on, additive_quantity, share, share_curve
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import requested_parts, with_requests
from quba_check.errors import InvariantError, UnmeasurableError
from quba_check.metrics.selective import Guarantee, aurc, guaranteed_threshold, least_answered, risk_coverage
from quba_check.stats.estimate import Estimate

NORMALISED = 1e-3
"""Largest |logsumexp| of log-probabilities, whose probabilities add up to 1."""
POINTS = 100
"""Largest number of points of the risk-coverage curve in a record."""
REMEDY = "state a probability or a margin under 'answers.at'"
ImageScores = NDArray[np.float64]
OperatingRule = tuple[AnswerScore, OperatingPoint]


def image_scores(
    table: Predictions, score: AnswerScore, outputs: str | None = None, remedy: str = ""
) -> NDArray[np.float64]:
    """Return the score of each image.

    It is a function of stored columns: the largest softmax probability (Hendrycks and Gimpel, ICLR 2017),
    that minus the second largest (Scheffer, Decomain and Wrobel, IDA 2001), the largest logit (Hendrycks et
    al., ICML 2022), or the logsumexp of the logits, which is the negative energy at temperature 1 (Liu et
    al., NeurIPS 2020). The largest logit is not computed from the others: their rounding would break ties.

    Args:
        table: the images.
        score: the score.
        outputs: kind of the model's outputs; None if unknown.
        remedy: advice for models whose outputs are not logits, as the end of a sentence.

    Raises:
        UnmeasurableError: the outputs of the model are not logits, which the score needs.
        InvariantError: the predictions lack the column that the score needs.
    """
    if score == "max_probability":
        return table.confidence.astype(np.float64)
    name = "probabilities" if score == "margin" else "logsumexp"
    column = table.probabilities if score == "margin" else table.extra.get(name)
    if column is None:
        raise InvariantError(f"clean: the predictions came without the {name} that the score asks for")
    if score == "margin":
        second, first = np.partition(column.astype(np.float32), -2, axis=1)[:, -2:].T.astype(np.float64)
        return np.asarray(first - second)
    outputs = outputs or "logits"
    if outputs == "logits" and np.abs(column.astype(np.float32)).max() < NORMALISED:
        outputs = "log-probabilities"
    if outputs != "logits":
        raise UnmeasurableError(
            f"the score {score} needs logits, and the outputs of the model are {outputs}; {remedy}"
        )
    return (table.extra["max_logit"] if score == "max_logit" else column).astype(np.float64)


@dimension(
    "answers",
    title="How often the model is wrong if it answers only the images that it is surest of.",
    unit="fraction",
    better="low",
    source="AURC: Geifman, Uziel and El-Yaniv, ICLR 2019; thresholds: Angelopoulos et al., arXiv 2110.01052",
    views=(CLEAN,),
    parts=partial(requested_parts, "answers"),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Area under the risk-coverage curve of the largest probability; lower is better.

    The parts are the numbers that threshold files ask for.

    Raises:
        UnmeasurableError: there are no clean images.
    """
    accuracy_on(predictions, CLEAN)  # raises the reason of an empty set
    clean = predictions[CLEAN]
    found: dict[OperatingRule, Guarantee] = {}
    whole = Measurement.of("answers", _area(clean, _scores(clean, MOST_PROBABLE)))
    measured = with_requests(whole, facts.suite, lambda request: _quantity(request, clean, facts, found))
    tables = {"risk_coverage": _curve(clean)}
    if any(one.threshold is not None for one in found.values()):
        tables["thresholds"] = _thresholds(found)
    return replace(
        measured, notes=tuple(_note(*rule, one, clean) for rule, one in found.items()), tables=tables
    )


def _quantity(
    request: Request, clean: Predictions, facts: Facts, found: dict[OperatingRule, Guarantee]
) -> Quantity:
    """Return a requested number; thresholds that are searched for it are added to `found`.

    Raises:
        UnmeasurableError: no image is answered, or the score needs logits.
    """
    scores = _scores(clean, request.score, facts.model.outputs)
    if request.metric == "aurc":
        return _area(clean, scores)
    at = request.at
    if at is None:
        raise InvariantError(f"answers.{request.name}: it has no rule of answering")
    threshold: float | None = at.level
    if at.confidence is not None:
        rule = request.score, at
        if rule not in found:
            bounds = {"error": at.level, "confidence": at.confidence}
            found[rule] = guaranteed_threshold(scores, clean.correct, **bounds, groups=clean.group)
        threshold = found[rule].threshold
    answered = np.zeros(len(clean), bool) if threshold is None else scores >= np.float32(threshold)
    if request.metric == "share":
        return share(answered, CLEAN)
    n, right = int(np.count_nonzero(answered)), answered & clean.correct
    if not n:
        reason = "" if threshold is None else f": every {request.score} is below {threshold:.9g}"
        raise UnmeasurableError(f"no image is answered{reason}")
    accuracy = Estimate.mean(right, CLEAN) / Estimate.mean(answered, CLEAN)
    curve = share_curve(int(np.count_nonzero(right)), n)
    sides: SidesOfSets = {CLEAN: answered.astype(np.int8)}
    return Quantity(accuracy.value, "fraction", n, curve, influences=accuracy.influences, sides=sides)


def _area(clean: Predictions, scores: ImageScores) -> Quantity:
    return additive_quantity(aurc(scores, clean.correct, CLEAN), len(clean))


def _scores(clean: Predictions, score: AnswerScore, outputs: str | None = None) -> ImageScores:
    """Return scores at the precision of stored predictions, at which a threshold is compared."""
    return image_scores(clean, score, outputs, REMEDY).astype(np.float32).astype(np.float64)


def _curve(clean: Predictions) -> Table:
    """Return points of the risk-coverage curve at about equal distances of the share."""
    threshold, answered, wrong = risk_coverage(_scores(clean, MOST_PROBABLE), clean.correct)
    n = len(clean)
    wanted = np.linspace(1, n, min(n, POINTS))
    rows = np.unique(np.searchsorted(answered, np.floor(wanted)))
    columns = (threshold[rows], answered[rows] / n, (wrong / answered)[rows])
    points = zip(*(column.tolist() for column in columns), strict=True)
    return Table(("threshold", "share", "error"), tuple(points), "score: max_probability")


def _thresholds(found: Mapping[OperatingRule, Guarantee]) -> Table:
    rows = [
        (score, *astuple(one), at.level, at.confidence or 0.0)
        for (score, at), one in found.items()
        if one.threshold is not None
    ]
    columns = ("score", "threshold", "answered", "wrong", "error", "confidence")
    return Table(columns, tuple(rows))


def _note(score: AnswerScore, at: OperatingPoint, found: Guarantee, clean: Predictions) -> str:
    error, confidence_level, n = at.level, at.confidence or 0.0, len(clean)
    guarantee = f"at most {100 * error:g} % of the answers to new images are wrong"
    confidence = f"with {100 * confidence_level:g} % confidence"
    if found.threshold is None:
        least, unit, images = least_answered(error, confidence_level), "answers", f"{n:,} images"
        if clean.group is not None:
            unit, images = "groups of answers", f"{len(np.unique(clean.group)):,} groups"
        return (
            f"no threshold of {score} shows {confidence} that {guarantee}: "
            f"that takes at least {least:,} {unit} without an error, and the set has {images}"
        )
    return (
        f"answer if {score} >= {found.threshold:.9g} ({found.answered:,} of {n:,} images, "
        f"{found.wrong:,} wrong): {confidence}, {guarantee}"
    )
