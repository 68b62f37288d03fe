"""QUBA score and grade of a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quba_check.core.confidence import CONFIDENCE, SCORES, ConfidenceCurve, bounded_curve
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.grade import LETTERS, Grade, GradeRules
from quba_check.core.measurement import Measurement
from quba_check.core.protocols import ProtocolName
from quba_check.errors import UserError
from quba_check.grading.notes import (
    ALLOWED_SUITES,
    comparison_notes,
    corruption_notes,
    crossed_dimensions,
    doubt_reason,
    few_images_notes,
    masking_notes,
    suite_difference,
    transfer_notes,
)
from quba_check.grading.population import Population, check_names, full_weights
from quba_check.grading.population_file import population as named_population
from quba_check.messages import allowing, listed
from quba_check.stats.clusters import group_effect, limits_in_groups
from quba_check.stats.estimate import Estimate, delta_method
from quba_check.stats.intervals import Limits, Scores

_Z = np.array(SCORES)
_LOWEST_PERCENTILE = (("A", 90), ("B", 70), ("C", 40), ("D", 15))


def quba_score(
    values: Mapping[str, float],
    *,
    weights: Mapping[str, float] | None = None,
    population: str | Path | Population = "published",
) -> float:
    """Return the QUBA score: the weighted distance of nine values from a population's mean.

    Args:
        values: the nine values by dimension name, as measured: fractions and ratios, parameters in millions.
            Other registered dimensions are allowed; no population has them, so they weigh 0.
        weights: weights >= 0 that replace the defaults; only their ratios matter. A dimension that the
            population lacks weighs 0.
        population: `published`, `screened`, `demo`, a file that `quba-check published population` made, or a
            population.

    Returns:
        The score in standard deviations; 0 is the population's (trimmed) mean, higher is better.

    Raises:
        UserError: one of the nine is missing, a name is unknown, a number is not finite or a weight negative.
        PopulationError: no such population, or the values cannot be compared with it.

    Source: arXiv 2503.17110, section 3.

    Examples:
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
            f"missing {listed(missing)}",
            where="quba_score",
            allowed="a value for each of the nine dimensions",
        )
    return _population(population).score(values, full_weights(weights))


@dataclass(frozen=True, slots=True)
class GradedRun:
    """Facts of the run that measured the values of a grade.

    Attributes:
        protocol: its protocol.
        suite: name of its suite; None for the population's.
        classes: number of classes of that suite; suites with the same name may differ in it.
        generates_corruptions: the corruptions were generated, which gets a note if the population's were not.
    """

    protocol: ProtocolName = "standard"
    suite: str | None = None
    classes: int | None = None
    generates_corruptions: bool = False


def grade(
    values: Mapping[str, float],
    rules: GradeRules = GradeRules(),
    *,
    population: str | Path | Population = "published",
    run: GradedRun = GradedRun(),
    measured: Mapping[str, Measurement] | None = None,
) -> Grade:
    """Return QUBA score, percentile and letter of a model's values.

    If one of the nine values is missing, there is no grade unless the rules allow it. Score, percentile and
    letter are then over the other dimensions, for the population too, and the grade is partial. The same
    holds for a dimension that the population lacks.

    Values of another suite than the population's have a score, but neither percentile nor letter. A masked
    value counts as missing: it is no evidence of robustness.

    Args:
        values: value by dimension name; see `quba_score`.
        rules: what counts; the population is scored with the same weights.
        population: see `quba_score`.
        run: facts of the run behind the values.
        measured: the measurements behind the values, by dimension name, for the interval of the score and a
            note on the bias of few images.

    Returns:
        The grade; score, percentile and letter are None if other dimensions are missing than may be,
        percentile and letter also for another suite.

    Raises:
        UserError: see `quba_score`.
        PopulationError: see `quba_score`.
    """
    check_values(values)
    check_names("allow_missing", rules.allow_missing)
    reference = _population(population)
    measured = measured or {}
    counted = _counted_dimensions(values, rules, reference, measured)
    if counted.refusal is not None:
        return replace(ungraded(reference, counted.refusal), missing=tuple(counted.unmeasured))
    weights = counted.weights
    missing = counted.missing
    other_suite = suite_difference(reference, run.suite, run.classes)
    score = reference.score(values, weights)
    if other_suite and not rules.allow_other_suite:
        notes = [*comparison_notes(missing, (), reference, run.protocol), *counted.doubts]
        other = _of_another_suite(reference, other_suite)
        return replace(other, missing=tuple(missing), notes=tuple(notes), score=score)
    percentile = reference.percentile(score, weights)
    crossed = crossed_dimensions(weights, reference, run.protocol)
    scores = reference.scores(weights)
    slopes = reference.slopes(weights)
    curve = _curve(score, slopes, measured) if measured else None
    ends = curve.interval(CONFIDENCE) if curve else None
    groups = [row.sample.groups for row in measured.values()]
    return Grade(
        score=score,
        percentile=percentile,
        letter=letter(percentile),
        population=reference.name,
        protocol_of_population=reference.protocol,
        complete=not missing,
        models=len(scores),
        curve=curve,
        interval=ends,
        letters=_spanned(reference.percentile(end, weights) for end in ends) if ends else (),
        least={name: scores[math.ceil(low * len(scores) / 100) - 1] for name, low in _LOWEST_PERCENTILE},
        missing=missing,
        cross_protocol=crossed,
        notes=(
            *comparison_notes(missing, crossed, reference, run.protocol),
            *counted.doubts,
            *corruption_notes(weights, reference, run.generates_corruptions),
            *few_images_notes(slopes, measured, reference),
        ),
        other_suite=other_suite,
        groups=min((number for number in groups if number is not None), default=None),
    )


@dataclass(frozen=True, slots=True)
class _CountedDimensions:
    """The dimensions that count for a grade.

    Attributes:
        weights: weight by dimension; 0 for missing ones.
        unmeasured: the nine dimensions without a value that counts.
        missing: these, and those that the population lacks.
        doubts: notes on masked values, and on values of another model's attacks.
        refusal: reason for no grade; None if there is one.
    """

    weights: Mapping[str, float]
    unmeasured: tuple[str, ...]
    missing: tuple[str, ...]
    doubts: tuple[str, ...]
    refusal: str | None


def _counted_dimensions(
    values: Mapping[str, float], rules: GradeRules, reference: Population, measured: Mapping[str, Measurement]
) -> _CountedDimensions:
    """Return the dimensions that count under the rules of a grade."""
    full = full_weights(rules.weights)
    masked = {name: row.masked for name, row in measured.items() if row.masked and full.get(name)}
    transferred = [name for name, row in measured.items() if row.transferred and full.get(name)]
    refused = {} if rules.allow_masked else masked
    of_others = [] if rules.allow_transferred else transferred
    left_out = {*refused, *of_others}
    unmeasured = tuple(name for name in PUBLISHED_DIMENSIONS if name not in values or name in left_out)
    comparable = {*reference.dimensions} - {*unmeasured}
    missing = tuple(name for name in PUBLISHED_DIMENSIONS if name not in comparable)
    weights = {name: 0.0 if name in missing else weight for name, weight in full.items()}
    is_weightless = unmeasured and not any(weights.values())
    is_refused = is_weightless or not set(unmeasured) <= set(rules.allow_missing)
    return _CountedDimensions(
        weights,
        unmeasured,
        missing,
        doubts=(*masking_notes(masked, left_out), *transfer_notes(transferred, left_out)),
        refusal=doubt_reason(refused, of_others, unmeasured) if is_refused else None,
    )


def unreachable_grade(
    unmeasurable: Mapping[str, str],
    rules: GradeRules,
    *,
    population: str | Path | Population = "published",
    run: GradedRun = GradedRun(),
) -> Grade | None:
    """Return a grade without letter if no values could get one, else None.

    Args:
        unmeasurable: reasons why dimensions cannot have a value, by name.
        rules: see `grade`.
        population: see `grade`.
        run: see `grade`.
    """
    reference = _population(population)
    missing = tuple(name for name in PUBLISHED_DIMENSIONS if name in unmeasurable)
    if not set(missing) <= set(rules.allow_missing):
        notes = tuple(f"{name}: {unmeasurable[name]}" for name in missing)
        return replace(ungraded(reference), missing=missing, notes=notes)
    other_suite = suite_difference(reference, run.suite, run.classes)
    if not other_suite or rules.allow_other_suite:
        return None
    return _of_another_suite(reference, other_suite)


def ungraded(reference: Population, reason: str = "") -> Grade:
    """Return a grade without score and letter, with the reason."""
    return Grade(
        score=None,
        percentile=None,
        letter=None,
        population=reference.name,
        protocol_of_population=reference.protocol,
        complete=False,
        missing=(),
        notes=(),
        not_graded=reason,
    )


def _of_another_suite(reference: Population, difference: str) -> Grade:
    """Return a grade without letter for a suite that differs from the population's."""
    return replace(ungraded(reference, allowing(difference, ALLOWED_SUITES)), other_suite=difference)


def letter(percentile: float) -> str:
    """Return the letter of a percentile.

    A begins at the 90th, B at the 70th, C at the 40th and D at the 15th percentile; lower ones get F.

    >>> letter(90.0), letter(89.9), letter(0.0)
    ('A', 'B', 'F')
    """
    return next((name for name, lowest in _LOWEST_PERCENTILE if percentile >= lowest), "F")


def _curve(
    score: float, slopes: Mapping[str, float], measured: Mapping[str, Measurement]
) -> ConfidenceCurve | None:
    """Return normal limits of the score from the influences behind each dimension.

    None if a dimension with a slope has limits, but no influences.
    """
    terms = [(slope, measured[name]) for name, slope in slopes.items() if name in measured]
    if len(terms) < len(slopes) or any(row.curve is not None and not row.influences for _, row in terms):
        return None
    error = delta_method(score, [(slope, Estimate(0.0, row.influences)) for slope, row in terms])
    groups = {name: group for _, row in terms for name, group in row.groups_of_sets.items()}
    # Limits can be wider than the influences imply, for example if the model is correct on all images.
    excess = sum((slope * _excess_error(row)) ** 2 for slope, row in terms)

    def limits_of(z: Scores, effect: float) -> Limits:
        return score + z * math.sqrt(error.standard_error**2 * effect + excess)

    limits = limits_in_groups(limits_of, _Z, group_effect(error.influences, groups))
    return None if limits is None else bounded_curve(limits)


def _excess_error(row: Measurement) -> float:
    """Return the limits' standard error in excess of the deviations'."""
    if row.curve is None:
        return 0.0
    of_limits = (row.curve.at(1) - row.curve.at(-1)) / 2
    of_images = Estimate(row.value, row.influences).standard_error
    effect = group_effect(row.influences, row.groups_of_sets)
    if effect is not None:
        of_images *= math.sqrt(effect.factor)
    return math.sqrt(max(of_limits**2 - of_images**2, 0.0)) if math.isfinite(of_images) else 0.0


def _spanned(percentiles: Iterable[float]) -> tuple[str, ...]:
    low, high = (LETTERS.index(letter(percentile)) for percentile in percentiles)
    return tuple(reversed(LETTERS[low : high + 1]))


def check_values(values: Mapping[str, float]) -> None:
    """Refuse unknown dimensions, infinite values and NaN.

    Raises:
        UserError: for the first of them.
    """
    check_names("values", values)
    for name, value in values.items():
        if not math.isfinite(value):
            raise UserError(
                f"{name} cannot be scored", where="values", got=f"{value!r}", allowed="a finite number"
            )


def _population(population: str | Path | Population) -> Population:
    return population if isinstance(population, Population) else named_population(population)
