"""Answers: share and accuracy of the images that a model is sure enough to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement, Quantity, Table
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.request import MOST_PROBABLE, AnswerScore, OperatingPoint, Request
from quba_check.core.view import CLEAN, CLEAN_SET, SERVING
from quba_check.dimensions._ratios import accuracy_on, additive_quantity
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import (
    RowSource,
    check_groups_differ,
    requested_parts,
    requested_views,
    with_requests,
)
from quba_check.dimensions._rows import Rows
from quba_check.errors import InvariantError, UnmeasurableError
from quba_check.messages import listed
from quba_check.metrics import selective
from quba_check.metrics.selective import Guarantee, ImageScores

NORMALISED = 1e-3
"""Largest |logsumexp| of log-probabilities, whose probabilities add up to 1."""
POINTS = 100
"""Largest number of points of the risk-coverage curve in a record."""
REMEDY = "state a probability under 'answers.at'"


class ChosenOn(NamedTuple):
    """A rule and the set on which its threshold is searched."""

    score: AnswerScore
    at: OperatingPoint
    set: str
    variant: str


def image_scores(
    table: Predictions, score: AnswerScore, outputs: str | None = None, remedy: str = ""
) -> ImageScores:
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
        raise InvariantError(f"the predictions came without the {name} that the score asks for")
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
    views=lambda suite: (CLEAN, *requested_views("answers", suite)),
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
    source = RowSource(predictions, facts.suite)
    found: dict[ChosenOn, Guarantee] = {}
    whole = Measurement.of("answers", _area(source.of(CLEAN_SET), _scores(clean, MOST_PROBABLE)))
    quantity = partial(_quantity, source=source, outputs=facts.model.outputs, found=found)
    measured = with_requests(whole, source, quantity)
    tables = {"risk_coverage": _curve(clean)}
    if any(guarantee.threshold is not None for guarantee in found.values()):
        tables["thresholds"] = _thresholds(found)
    levels = {
        request.name: request.levels for request in facts.suite.requests_of("answers") if request.levels
    }
    return replace(measured, tables=tables, levels=levels)


def _quantity(
    request: Request, rows: Rows, source: RowSource, outputs: str | None, found: dict[ChosenOn, Guarantee]
) -> Quantity:
    """Return a requested number; thresholds that are searched for it are added to `found`.

    Raises:
        UnmeasurableError: no image is answered, or the score needs logits.
    """
    table = rows.table
    scores = _scores(table, request.score, outputs)
    if request.metric == "aurc":
        return _area(rows, scores)
    at = request.at
    notes: tuple[str, ...] = ()
    if at is None:
        raise InvariantError(f"answers.{request.name}: it has no rule of answering")
    threshold: float | None = at.level
    if at.is_searched:
        own = at.chosen_on or request.set
        chosen = ChosenOn(request.score, at, own, "" if at.chosen_on else request.variant)
        check_groups_differ(request, source)
        if chosen not in found:
            found[chosen] = _search(chosen, source, outputs)
        in_front = ", in front of the pipeline" if request.pipeline and at.chosen_on else ""
        notes = (f"{_note(chosen, found[chosen], source)}{in_front}",)
        threshold = found[chosen].threshold
    if at.by_class:
        levels = np.array([level for _, level in at.by_class])
        notes = (f"answered from: {listed((f'{name} {level:.15g}' for name, level in at.by_class), 10)}",)
        answered = selective.answered_by_class(table.predicted, table.confidence, levels)
    else:
        answered = np.zeros(len(table), bool) if threshold is None else scores >= np.float32(threshold)
    if request.metric == "share":
        return replace(rows.share(answered), notes=notes)
    if not answered.any():
        is_below = threshold is not None and not at.by_class
        reason = f": every {request.score} is below {threshold:.9g}" if is_below else ""
        raise UnmeasurableError(f"no image is answered{reason}")
    return replace(rows.share(answered & rows.correct, answered), notes=notes)


def _search(chosen: ChosenOn, source: RowSource, outputs: str | None) -> Guarantee:
    """Return the threshold that a rule finds on its images."""
    at = chosen.at
    rows = source.of(chosen.set, chosen.variant)
    scores = _scores(rows.table, chosen.score, outputs)
    correct = rows.correct
    if at.confidence is not None:
        bounds = {"error": at.level, "confidence": at.confidence}
        return selective.guaranteed_threshold(scores, correct, **bounds, groups=rows.group)
    if at.rule == "accuracy":
        threshold = selective.threshold_for_accuracy(scores, correct, at.level)
    else:
        threshold = selective.threshold_for_share(scores, at.level)
    if threshold is None:
        raise UnmeasurableError(
            f"no {chosen.score} has an accuracy of {at.level:g} on the set {chosen.set}, with 30 answered "
            "images or more"
        )
    answered = scores >= threshold
    return Guarantee(threshold, int(answered.sum()), int((answered & ~correct).sum()))


def _area(rows: Rows, scores: ImageScores) -> Quantity:
    return rows.adopted(additive_quantity(selective.aurc(scores, rows.correct, "rows"), len(scores)))


def _scores(table: Predictions, score: AnswerScore, outputs: str | None = None) -> ImageScores:
    """Return scores at the precision of stored predictions, at which a threshold is compared."""
    return image_scores(table, score, outputs, REMEDY).astype(np.float32).astype(np.float64)


def _curve(clean: Predictions) -> Table:
    """Return points of the risk-coverage curve at about equal distances of the share."""
    threshold, answered, wrong = selective.risk_coverage(_scores(clean, MOST_PROBABLE), clean.correct)
    n = len(clean)
    rows = np.unique(np.searchsorted(answered, np.floor(np.linspace(1, n, min(n, POINTS)))))
    columns = (threshold[rows], answered[rows] / n, (wrong / answered)[rows])
    points = zip(*(column.tolist() for column in columns), strict=True)
    return Table(("threshold", "share", "error"), tuple(points), "score: max_probability")


def _thresholds(found: Mapping[ChosenOn, Guarantee]) -> Table:
    """Return the searched thresholds, with the set and pipeline of their images."""
    rows = []
    for (score, at, in_set, variant), result in found.items():
        if result.threshold is not None:
            on = score, in_set, variant.removeprefix(SERVING), f"{at.rule} {at.level:g}"
            guarantee = ("", "") if at.confidence is None else (at.level, at.confidence)
            rows.append((*on, *astuple(result), *guarantee))
    columns = ("score", "set", "pipeline", "rule", "threshold", "answered", "wrong", "error", "confidence")
    return Table(columns, tuple(rows))


def _note(chosen: ChosenOn, found: Guarantee, source: RowSource) -> str:
    score = chosen.score
    at = chosen.at
    rows = source.of(chosen.set, chosen.variant)
    n = len(rows.table)
    images = "groups" if rows.is_decided else "images"
    of_set = "" if chosen.set == CLEAN_SET else f" of {chosen.set}"
    answer = (
        f"answer if {score} >= {found.threshold or 0.0:.9g} ({found.answered:,} of {n:,} {images}{of_set}, "
        f"{found.wrong:,} wrong)"
    )
    if at.confidence is None:
        return answer
    guarantee = f"at most {100 * at.level:g} % of the answers to new images are wrong"
    confidence = f"with {100 * at.confidence:g} % confidence"
    if found.threshold is None:
        least = selective.least_answered(at.level, at.confidence)
        unit = "answers"
        images = f"{n:,} {images}"
        if rows.group is not None:
            unit = "groups of answers"
            images = f"{len(np.unique(rows.group)):,} groups"
        return (
            f"no threshold of {score} shows {confidence} that {guarantee}: "
            f"that takes at least {least:,} {unit} without an error, and the set has {images}"
        )
    return f"{answer}: {confidence}, {guarantee}"
