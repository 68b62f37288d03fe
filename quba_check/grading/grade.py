"""QUBA score and grade of a model."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from quba_check.core.confidence import CONFIDENCE, SCORES, ConfidenceCurve
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.grade import LETTERS, Grade
from quba_check.core.measurement import Measurement
from quba_check.core.protocols import ProtocolName
from quba_check.errors import UserError, listed
from quba_check.grading.notes import (
    ALLOWED_SUITES,
    comparison_notes,
    corruption_notes,
    crossed_dimensions,
    few_images_notes,
    masked_reason,
    masking_notes,
    suite_difference,
)
from quba_check.grading.population import Population
from quba_check.grading.reference import population as named_population
from quba_check.grading.score import check_names, full_weights
from quba_check.stats.estimate import Estimate, delta_method

_Z = np.array(SCORES)
_LOWEST_PERCENTILE = (("A", 90), ("B", 70), ("C", 40), ("D", 15))


def quba_score(
    values: Mapping[str, float],
    *,
    weights: Mapping[str, float] | None = None,
    population: str | Path | Population = "published",
) -> float:
    """The QUBA score: how far nine qualities lie above a population's mean, in standard deviations.

    Args:
        values: the nine values by dimension name, as measured: fractions and ratios, parameters in millions.
            Other registered dimensions may be there; no population has them, so they weigh 0.
        weights: weights >= 0 that replace the defaults; only their ratios matter. A dimension that the
            population lacks weighs 0.
        population: `published`, `screened`, `demo`, a file made by `quba-check population`, or a population.

    Returns:
        The score, without a unit; 0 is the population's (trimmed) mean, higher is better.

    Raises:
        UserError: one of the nine is missing, a name is unknown, a number is not finite or a weight negative.
        PopulationError: there is no such population, or it cannot be compared with.

    Source: arXiv 2503.17110, section 3.

    >>> swin_b = {"accuracy": 0.8358, "adversarial_robustness": 0.1492, "corruption_robustness": 0.7058,
    ...           "ood_robustness": 0.6004, "calibration_error": 0.003, "class_balance": 0.8014,
    ...           "object_focus": 0.9276, "shape_bias": 0.2328, "parameters": 87.8}
    >>> round(quba_score(swin_b), 6)
    0.226482
    """
    check_values(values)
    missing = [name for name in PUBLISHED_DIMENSIONS if name not in values]
    if missing:
        raise UserError(
            f"quba_score: missing {listed(missing)}. Allowed: a value for each of the nine dimensions."
        )
    return _population(population).score(values, full_weights(weights))


def grade(
    values: Mapping[str, float],
    *,
    weights: Mapping[str, float] | None = None,
    population: str | Path | Population = "published",
    protocol: ProtocolName = "standard",
    allow_missing: Collection[str] = (),
    suite: str | None = None,
    classes: int | None = None,
    allow_other_suite: bool = False,
    allow_masked: bool = False,
    generated_corruptions: bool = False,
    measured: Mapping[str, Measurement] | None = None,
) -> Grade:
    """QUBA score, percentile and letter of a model's values.

    With one of the nine missing there is no grade, unless it is allowed to be missing: then score, percentile
    and letter are over the others, the population is scored over the same ones, and the grade says so. The
    same holds for a dimension that the population lacks.

    Values of another suite than the population's have a score, but neither percentile nor letter. A masked
    value counts as missing: it is no evidence of robustness.

    Args:
        values: value by dimension name; see `quba_score`.
        weights: see `quba_score`; the population is scored with the same.
        population: see `quba_score`.
        protocol: the protocol that the values come from.
        allow_missing: names of dimensions that may be missing.
        suite: name of the suite that the values were measured on; None if it is not known to be another.
        classes: number of classes of that suite; suites of one name differ if their numbers of classes do.
        allow_other_suite: give percentile and letter although the suite is another, with a note.
        allow_masked: let masked values count as measured, with a note.
        generated_corruptions: the corruptions were generated; where the population's were stored ones, a
            note says so.
        measured: the measurements behind the values, by dimension name: they give the score an interval, and
            tell where few images bias it.

    Returns:
        The grade; score, percentile and letter are None where dimensions are missing that may not be,
        percentile and letter also where the suite is another.

    Raises:
        UserError: see `quba_score`.
        PopulationError: see `quba_score`.
    """
    check_values(values)
    check_names("allow_missing", allow_missing)
    reference = _population(population)
    full = full_weights(weights)
    masked = {name: of.masked for name, of in (measured or {}).items() if of.masked and full.get(name)}
    left_out = () if allow_masked else tuple(masked)
    unmeasured = tuple(name for name in PUBLISHED_DIMENSIONS if name not in values or name in left_out)
    lacking = tuple(name for name in PUBLISHED_DIMENSIONS if name not in reference.dimensions)
    missing = tuple(name for name in PUBLISHED_DIMENSIONS if name in unmeasured or name in lacking)
    weighing = {name: 0.0 if name in missing else weight for name, weight in full.items()}
    too_few = unmeasured and not any(weighing.values())
    if too_few or not set(unmeasured) <= set(allow_missing):
        why = masked_reason({name: masked[name] for name in left_out}, unmeasured)
        return ungraded(reference, missing=unmeasured, not_graded=why)
    other_suite = suite_difference(reference, suite, classes)
    score = reference.score(values, weighing)
    if other_suite and not allow_other_suite:
        without_letter = ungraded(
            reference,
            missing=missing,
            not_graded=f"{other_suite}. {ALLOWED_SUITES}",
            notes=[*comparison_notes(missing, (), reference, protocol), *masking_notes(masked, left_out)],
        )
        return replace(without_letter, score=score, other_suite=other_suite)
    percentile = reference.percentile(score, weighing)
    crossed = crossed_dimensions(weighing, reference, protocol)
    slopes = reference.slopes(weighing)
    curve = _curve(score, slopes, measured) if measured else None
    ends = curve.interval(CONFIDENCE) if curve else None
    return Grade(
        score=score,
        percentile=percentile,
        letter=letter(percentile),
        population=reference.name,
        protocol_of_population=reference.protocol,
        complete=not missing,
        models=len(reference.scores(weighing)),
        curve=curve,
        interval=ends,
        letters=_spanned(ends, reference, weighing) if ends else (),
        least=_least_scores(reference.scores(weighing)),
        missing=missing,
        cross_protocol=crossed,
        notes=(
            *comparison_notes(missing, crossed, reference, protocol),
            *masking_notes(masked, left_out),
            *corruption_notes(weighing, reference, generated_corruptions),
            *few_images_notes(slopes, measured or {}, reference),
        ),
        other_suite=other_suite,
    )


def unreachable_grade(
    obstacles: Mapping[str, str],
    *,
    population: str | Path | Population = "published",
    allow_missing: Collection[str] = (),
    suite: str | None = None,
    classes: int | None = None,
    allow_other_suite: bool = False,
) -> Grade | None:
    """Return a grade without letter if no values could get one, else None.

    Args:
        obstacles: why dimensions cannot have a value, by name.
        population: see `grade`.
        allow_missing: see `grade`.
        suite: see `grade`.
        classes: see `grade`.
        allow_other_suite: see `grade`.
    """
    reference = _population(population)
    missing = tuple(name for name in PUBLISHED_DIMENSIONS if name in obstacles)
    if not set(missing) <= set(allow_missing):
        return ungraded(reference, missing=missing, notes=[f"{name}: {obstacles[name]}" for name in missing])
    other_suite = suite_difference(reference, suite, classes)
    if not other_suite or allow_other_suite:
        return None
    without_letter = ungraded(reference, not_graded=f"{other_suite}. {ALLOWED_SUITES}")
    return replace(without_letter, other_suite=other_suite)


def ungraded(
    reference: Population, *, missing: Sequence[str] = (), not_graded: str = "", notes: Sequence[str] = ()
) -> Grade:
    """Return a grade without letter, with the reason."""
    return Grade(
        score=None,
        percentile=None,
        letter=None,
        population=reference.name,
        protocol_of_population=reference.protocol,
        complete=False,
        missing=tuple(missing),
        notes=tuple(notes),
        not_graded=not_graded,
    )


def letter(percentile: float) -> str:
    """The letter of a percentile: A from the 90th, B from the 70th, C from the 40th, D from the 15th, else F.

    >>> letter(90.0), letter(89.9), letter(0.0)
    ('A', 'B', 'F')
    """
    return next((name for name, lowest in _LOWEST_PERCENTILE if percentile >= lowest), "F")


def _curve(
    score: float, slopes: Mapping[str, float], measured: Mapping[str, Measurement]
) -> ConfidenceCurve | None:
    """Normal limits of the score, by how much it moves with each dimension and what each image adds to that.

    None where a dimension that moves it has limits, but not from its images one by one.
    """
    found = [(slope, measured[name]) for name, slope in slopes.items() if name in measured]
    if len(found) < len(slopes) or any(of.curve is not None and not of.deviations for _, of in found):
        return None
    error = delta_method(score, [(slope, Estimate(0.0, of.deviations)) for slope, of in found]).standard_error
    # Limits of a dimension can be wider than its images tell, as where all of them are right.
    wider = sum((slope * _beyond(of)) ** 2 for slope, of in found)
    limits = score + _Z * math.sqrt(error**2 + wider)
    return ConfidenceCurve(tuple(limits.tolist())) if np.isfinite(limits).all() else None


def _beyond(of: Measurement) -> float:
    """What is missing in the standard error that the images tell, to that of the limits."""
    if of.curve is None:
        return 0.0
    limits, told = (of.curve.at(1) - of.curve.at(-1)) / 2, Estimate(of.value, of.deviations).standard_error
    return math.sqrt(max(limits**2 - told**2, 0.0)) if math.isfinite(told) else 0.0


def _spanned(
    ends: tuple[float, float], reference: Population, weights: Mapping[str, float]
) -> tuple[str, ...]:
    low, high = (LETTERS.index(letter(reference.percentile(end, weights))) for end in ends)
    return tuple(reversed(LETTERS[low : high + 1]))


def _least_scores(scores: Sequence[float]) -> dict[str, float]:
    """The score above which each letter but the lowest begins."""
    return {name: scores[math.ceil(lowest * len(scores) / 100) - 1] for name, lowest in _LOWEST_PERCENTILE}


def check_values(values: Mapping[str, float]) -> None:
    """Refuse values of no dimension, and numbers that are not finite.

    Raises:
        UserError: naming the first of them.
    """
    check_names("values", values)
    for name, value in values.items():
        if not math.isfinite(value):
            raise UserError(f"values: {name} cannot be scored, got {value!r}. Allowed: a finite number.")


def _population(given: str | Path | Population) -> Population:
    return given if isinstance(given, Population) else named_population(given)
