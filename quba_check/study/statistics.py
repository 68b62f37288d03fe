"""The study of a population: rank correlations, groups, suspect values; as tables too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, groupby, product
from typing import Final, Literal

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.grading import Population, PublishedModel, published_models
from quba_check.grading.population import LEAST_MODELS
from quba_check.grading.published import (
    ZERO_SHOT_FAMILY,
    ModelProperty,
    published_population,
    screened_population,
)
from quba_check.messages import listed
from quba_check.stats.rank_statistics import (
    GroupDifference,
    RankCorrelation,
    group_difference,
    holm_adjusted,
    rank_correlation,
)

PUBLISHED = ("published", "screened")
"""The populations of published models, which have groups."""
LEAST_GROUP = 5
"""Smallest group that is compared."""
SIGNIFICANT = 0.05
"""Largest adjusted p-value of a significant result."""
FINE_TUNED = "FT-Vision-Encoder"
"""Part of the names of image encoders of vision-language models that were fine-tuned on ImageNet."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """The rank correlation of two dimensions over the models with both values.

    Attributes:
        first: a dimension.
        second: another one.
        result: the correlation of the values as measured, whatever their better direction.
        adjusted: p-value after Holm's correction over all pairs of the population.
    """

    first: str
    second: str
    result: RankCorrelation
    adjusted: float


@dataclass(frozen=True, slots=True)
class GroupContrast:
    """Two groups of published models.

    Attributes:
        attribute: the property that defines them: architecture, pretraining, training or zero-shot.
        group: name of the group.
        reference: name of the group that it is compared with.
    """

    attribute: ModelProperty | Literal["zero-shot"]
    group: str
    reference: str


@dataclass(frozen=True, slots=True)
class GroupComparison:
    """Two groups compared in one dimension.

    Attributes:
        contrast: the groups.
        dimension: the dimension.
        n: number of models with a value in the group and in the reference.
        result: the difference, above 0 if the group's values are higher; None for fewer than five models.
        adjusted: p-value after Holm's correction over all comparisons of the population; None without result.
    """

    contrast: GroupContrast
    dimension: str
    n: tuple[int, int]
    result: GroupDifference | None
    adjusted: float | None


def is_zero_shot(model: PublishedModel) -> bool:
    """Return True for vision-language models without a head that was trained on ImageNet."""
    return model.family == ZERO_SHOT_FAMILY and FINE_TUNED not in model.id


ZERO_SHOT: Final = "zero-shot"
OTHERS = "all others"
CONTRASTS = (
    GroupContrast("architecture", "transformer", "cnn"),
    GroupContrast("architecture", "b-cos", "cnn"),
    GroupContrast("pretraining", "imagenet-21k", "imagenet-1k"),
    GroupContrast("pretraining", "large", "imagenet-1k"),
    GroupContrast("training", "self-supervised", "supervised"),
    GroupContrast("training", "semi-supervised", "supervised"),
    GroupContrast("training", "adversarial", "supervised"),
    GroupContrast("training", "a1-a2-a3", "supervised"),
    GroupContrast(ZERO_SHOT, ZERO_SHOT, OTHERS),
)
"""Each group against the largest one of its attribute.

Zero-shot models are compared on their own and left out of the other contrasts: their pretraining, their
training and their parameters differ from those of all other models at once.
"""


@cache
def correlations(population: Population) -> tuple[Correlation, ...]:
    """Return the rank correlations of all pairs of dimensions with ten common models or more."""
    pairs: list[tuple[str, str, RankCorrelation]] = []
    for first, second in combinations(population.dimensions, 2):
        rows = [row.values for row in population.rows if {first, second} <= row.values.keys()]
        if len(rows) >= LEAST_MODELS:
            result = rank_correlation([row[first] for row in rows], [row[second] for row in rows])
            pairs += [(first, second, result)] if result is not None else []
    adjusted = holm_adjusted([result.p for *_, result in pairs])
    return tuple(Correlation(*pair, p) for pair, p in zip(pairs, adjusted, strict=True))


@cache
def group_comparisons(population: Population) -> tuple[GroupComparison, ...]:
    """Return all contrasts in all dimensions; none for other populations than the published ones."""
    if population.name not in PUBLISHED:
        return ()
    values = {row.id: row.values for row in population.rows}
    compared = []
    for contrast, dimension in product(CONTRASTS, PUBLISHED_DIMENSIONS):
        group, reference = (
            [values[model.id][dimension] for model in models if dimension in values[model.id]]
            for models in members(contrast)
        )
        sizes = len(group), len(reference)
        result = group_difference(group, reference) if min(sizes) >= LEAST_GROUP else None
        compared.append(GroupComparison(contrast, dimension, sizes, result, None))
    adjusted = iter(holm_adjusted([row.result.p for row in compared if row.result is not None]))
    return tuple(row if row.result is None else replace(row, adjusted=next(adjusted)) for row in compared)


def members(contrast: GroupContrast) -> tuple[list[PublishedModel], list[PublishedModel]]:
    """Return the models of a contrast's group and of its reference."""
    by_group: dict[str, list[PublishedModel]] = {contrast.group: [], contrast.reference: []}
    for model in published_models():
        if contrast.attribute == ZERO_SHOT:
            by_group[ZERO_SHOT if is_zero_shot(model) else OTHERS].append(model)
        elif model.family != ZERO_SHOT_FAMILY:
            by_group.setdefault(model.properties[contrast.attribute], []).append(model)
    return by_group[contrast.group], by_group[contrast.reference]


NEVER_SUSPECT = ("accuracy", "object_focus", "shape_bias")
"""The dimensions without a suspect value."""


def correlation_changes(screened: Population) -> list[tuple[Correlation, Correlation]]:
    """Return the correlations of all published values and of some, the largest changes first."""
    by_pair = {(correlation.first, correlation.second): correlation for correlation in correlations(screened)}
    both = [
        (published, by_pair.get((published.first, published.second)))
        for published in correlations(published_population())
    ]
    known = [(published, other) for published, other in both if other is not None]
    return sorted(known, key=lambda pair: -change_of(*pair))


def change_of(published: Correlation, screened: Correlation) -> float:
    """Return the size of a correlation's change."""
    return abs(screened.result.rho - published.result.rho)


@cache
def selection_effect() -> float:
    """Return the largest change of a correlation by the selection of models alone.

    Suspect values are removed together with their models. The correlations of dimensions that are never
    suspect, over the models without any suspect value, show the effect of that.
    """
    names = {model.id for model in published_models() if not model.suspect}
    population = published_population()
    rows = tuple(row for row in population.rows if row.id in names)
    changes = correlation_changes(replace(population, rows=rows))
    return max(change_of(*pair) for pair in changes if {pair[0].first, pair[0].second} <= set(NEVER_SUSPECT))


SHORT = ("acc", "adv", "corr", "ood", "calib", "bal", "focus", "shape", "param")
"""Column headings of the nine dimensions."""
STAR = "*"
"""Mark of a significant result."""
NOT_INDEPENDENT = (
    "Models share architectures, recipes and weights, so they are no independent sample and p-values are too "
    "small: use them to order results, not as probabilities."
)
GROUP_NOTE = (
    "Cliff's delta: share of pairs with a higher value in the group, minus the share with a lower one. "
    "Zero-shot models are only in their own comparison."
)
SUSPECT_NOTE = (
    "Suspect values are inferred from patterns of the table, not proven. The screened correlations are of "
    "fewer models, so they are not the truth about all of them."
)
TOO_FEW = "-: fewer than five values are left in a group."
OBSERVATIONAL = (
    "Groups differ in more than the named property (all a1-a2-a3 models are CNNs, no model pretrained on "
    "large data is supervised), so a difference need not be an effect of the property."
)


@dataclass(frozen=True, slots=True)
class StudyTable:
    """A table of the study.

    Attributes:
        title: heading.
        columns: headings of the columns.
        rows: cells as text, one per column.
        notes: sentences below the table.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def study_tables(population: Population) -> tuple[StudyTable, ...]:
    """Return the tables of a population's study.

    Correlations for every population. The published ones also have groups, and the comparison of `published`
    with `screened`.
    """
    tables = [_correlation_table(population)]
    if population.name in PUBLISHED:
        tables += [_group_table(population), _screening_table()]
    return tuple(tables)


def signed(value: float) -> str:
    """Return a number in [-1, 1] with its sign and two decimals.

    >>> signed(0.414), signed(-1.0), signed(-0.001)
    ('+.41', '-1.0', '.00')
    """
    text = f"{value:+.2f}"
    if text in ("+0.00", "-0.00"):
        return ".00"
    return f"{value:+.1f}" if abs(value) >= 0.995 else text.replace("0.", ".", 1)


def _correlation_table(population: Population) -> StudyTable:
    results = correlations(population)
    by_pair = {(result.first, result.second): result for result in results}
    names = [name for name in PUBLISHED_DIMENSIONS if any(name in pair for pair in by_pair)]
    rows = []
    for row, name in enumerate(names[1:], 1):
        cells = [_rho(by_pair.get((other, name))) for other in names[:row]]
        rows.append((name, *cells, *[""] * (len(names) - 1 - row)))
    counts = [correlation.result.n for correlation in results]
    notes = [f"Values as measured: for calibration_error and parameters, lower is better. {_models(counts)}"]
    if results:
        notes.append(f"{STAR} p < {SIGNIFICANT} after Holm's correction over {len(results)} pairs.")
    title = f"Spearman rank correlations, {population.name}"
    columns = ("dimension", *(SHORT[PUBLISHED_DIMENSIONS.index(name)] for name in names[:-1]))
    return StudyTable(title, columns, tuple(rows), (*notes, NOT_INDEPENDENT))


def _models(counts: Sequence[int]) -> str:
    if not counts:
        return "No pair of dimensions has ten models with both values."
    low, high = min(counts), max(counts)
    return f"{low} models." if low == high else f"{low} to {high} models a pair."


def _rho(correlation: Correlation | None) -> str:
    return "-" if correlation is None else _starred(correlation.result.rho, correlation.adjusted)


def _group_table(population: Population) -> StudyTable:
    comparisons = group_comparisons(population)
    rows: list[tuple[str, ...]] = []
    for (attribute, reference), members in groupby(
        comparisons, lambda row: (row.contrast.attribute, row.contrast.reference)
    ):
        groups = [list(cells) for _, cells in groupby(members, lambda row: row.contrast)]
        sizes = [max(row.n[0] for row in cells) for cells in groups]
        models = f"{listed(map(str, sizes))} against {max(row.n[1] for row in groups[0])} {reference}"
        rows.append((f"{attribute}: {models}", *[""] * len(SHORT)))
        rows += [(f"  {cells[0].contrast.group}", *map(_delta, cells)) for cells in groups]
    tests = sum(row.result is not None for row in comparisons)
    title = f"Groups of models compared, {population.name}"
    test = f"{STAR} p < {SIGNIFICANT} (Mann-Whitney) after Holm's correction over {tests} comparisons."
    notes = (GROUP_NOTE, test, *([TOO_FEW] if tests < len(comparisons) else []), OBSERVATIONAL)
    return StudyTable(title, ("Cliff's delta", *SHORT), tuple(rows), notes)


def _delta(row: GroupComparison) -> str:
    return "-" if row.result is None else _starred(row.result.delta, row.adjusted)


def _starred(value: float, p: float | None) -> str:
    """Return a number with two decimals, and a star if it is significant."""
    return f"{signed(value)}{STAR if p is not None and p < SIGNIFICANT else ' '}"


def _screening_table() -> StudyTable:
    effect = selection_effect()
    changes = correlation_changes(screened_population())
    larger = [pair for pair in changes if change_of(*pair) > effect]
    rows = [
        (f"{published.first} - {published.second}", _rho(published), _rho(screened), str(screened.result.n))
        for published, screened in larger
    ]
    selection = (
        f"The {len(larger)} of {len(changes)} pairs that change by more than {effect:.2f}, largest first. "
        "Among the models without any suspect value, the correlations of dimensions that are never suspect "
        "change by up to that much, so smaller changes can come from the selection of models alone."
    )
    columns = ("dimensions", "published", "screened", "models")
    title = "Correlations that change without suspect values"
    return StudyTable(title, columns, tuple(rows), (selection, SUSPECT_NOTE))
