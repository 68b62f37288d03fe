"""The study of a population as tables of text, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.grading import Population
from quba_check.messages import listed
from quba_check.study.statistics import (
    PUBLISHED,
    SIGNIFICANT,
    Correlation,
    GroupComparison,
    correlation_changes,
    correlations,
    group_comparisons,
    selection_effect,
)

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
    by_pair = {(one.first, one.second): one for one in results}
    names = [name for name in PUBLISHED_DIMENSIONS if any(name in pair for pair in by_pair)]
    rows = []
    for row, name in enumerate(names[1:], 1):
        cells = [_rho(by_pair.get((other, name))) for other in names[:row]]
        rows.append((name, *cells, *[""] * (len(names) - 1 - row)))
    counts = [one.result.n for one in results]
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


def _rho(one: Correlation | None) -> str:
    return "-" if one is None else _starred(one.result.rho, one.adjusted)


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
    changes = correlation_changes()
    larger = [change for change in changes if abs(change.difference) > effect]
    rows = []
    for change in larger:
        pair = f"{change.published.first} - {change.published.second}"
        rows.append((pair, _rho(change.published), _rho(change.screened), str(change.screened.result.n)))
    selection = (
        f"The {len(larger)} of {len(changes)} pairs that change by more than {effect:.2f}, largest first. "
        "Among the models without any suspect value, the correlations of dimensions that are never suspect "
        "change by up to that much, so smaller changes can come from the selection of models alone."
    )
    columns = ("dimensions", "published", "screened", "models")
    title = "Correlations that change without suspect values"
    return StudyTable(title, columns, tuple(rows), (selection, SUSPECT_NOTE))
