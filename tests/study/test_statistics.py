"""Correlations, groups and the effect of screening, against plain loops over the published table."""

from statistics import median

import pytest
from scipy import stats

from quba_check.grading import Population, PopulationRow, population, published_models
from quba_check.study.statistics import (
    CONTRASTS,
    NEVER_SUSPECT,
    OBSERVATIONAL,
    ZERO_SHOT,
    change_of,
    correlation_changes,
    correlations,
    group_comparisons,
    is_zero_shot,
    members,
    selection_effect,
    study_tables,
)

MODELS = published_models()


@pytest.mark.parametrize("name", ["published", "screened"])
def test_correlations_are_scipys_of_the_table(name: str) -> None:
    results = {(one.first, one.second): one for one in correlations(population(name))}
    assert len(results) == 36
    for (first, second), one in results.items():
        rows = [model.values if name == "published" else model.screened for model in MODELS]
        pairs = [(row[first], row[second]) for row in rows if first in row and second in row]
        expected = stats.spearmanr(*zip(*pairs, strict=True))
        assert one.result.rho == pytest.approx(expected.statistic)
        assert one.result.p == pytest.approx(expected.pvalue, rel=1e-6)
        assert one.result.n == len(pairs)
        assert min(1, one.result.p) <= one.adjusted <= min(1, 36 * one.result.p) + 1e-12


def test_the_groups_of_the_table() -> None:
    sizes = {one.group: tuple(map(len, members(one))) for one in CONTRASTS}
    with_head = [model for model in MODELS if model.family != "vision-language"]
    for one in CONTRASTS:
        if one.attribute == ZERO_SHOT:
            continue
        attribute = "family" if one.attribute == "architecture" else one.attribute
        values = [getattr(model, attribute) for model in with_head]
        assert sizes[one.group] == (values.count(one.group), values.count(one.reference))
    assert sizes[ZERO_SHOT] == (25, 301)
    assert all("double-softmax" in model.suspect for model in MODELS if is_zero_shot(model))


def test_each_reference_is_the_largest_group() -> None:
    for one in CONTRASTS:
        group, reference = members(one)
        assert len(reference) > len(group)


def test_a_group_difference_by_a_plain_loop() -> None:
    (row,) = [
        one
        for one in group_comparisons(population("screened"))
        if one.contrast.group == "self-supervised" and one.dimension == "corruption_robustness"
    ]
    group, reference = (
        [
            model.screened["corruption_robustness"]
            for model in MODELS
            if model.training == training
            and model.family != "vision-language"
            and "corruption_robustness" in model.screened
        ]
        for training in ("self-supervised", "supervised")
    )
    assert row.n == (len(group), len(reference))
    higher = sum(a > b for a in group for b in reference) - sum(a < b for a in group for b in reference)
    assert row.result.delta == pytest.approx(higher / (len(group) * len(reference)))
    assert row.result.p == pytest.approx(stats.mannwhitneyu(group, reference).pvalue)


def test_holm_counts_every_comparison() -> None:
    rows = group_comparisons(population("screened"))
    tested = [row for row in rows if row.result is not None]
    smallest = min(row.result.p for row in tested if row.result)
    assert min(row.adjusted for row in tested if row.adjusted is not None) == len(tested) * smallest
    assert all((row.result is None) == (min(row.n) < 5) for row in rows)


def test_other_populations_have_no_groups() -> None:
    assert group_comparisons(population("demo")) == ()
    assert [table.title for table in study_tables(population("demo"))] == ["Spearman rank correlations, demo"]


def test_a_population_without_enough_pairs_has_no_correlations() -> None:
    rows = tuple(PopulationRow(f"m{k}", {"accuracy": k / 20, "parameters": 1.0}) for k in range(12))
    few = Population("few", "standard", "tiny", rows)
    assert correlations(few) == ()
    (table,) = study_tables(few)
    assert table.rows == ()
    assert table.notes[0].endswith("No pair of dimensions has ten models with both values.")


def test_the_effect_of_the_selection() -> None:
    clean = [model for model in MODELS if not model.suspect]
    assert all(not set(NEVER_SUSPECT) & model.doubtful for model in MODELS)
    first = "accuracy"
    second = "shape_bias"
    rhos = [
        stats.spearmanr(*zip(*[(m.values[first], m.values[second]) for m in models], strict=True)).statistic
        for models in (MODELS, clean)
    ]
    assert selection_effect() == pytest.approx(rhos[1] - rhos[0])


def test_the_largest_change_comes_first() -> None:
    changes = correlation_changes(population("screened"))
    sizes = [change_of(*pair) for pair in changes]
    assert sizes == sorted(sizes, reverse=True)
    published, screened = changes[0]
    assert {published.first, published.second} == {"adversarial_robustness", "ood_robustness"}
    assert published.result.rho < 0.1
    assert screened.result.rho > 0.5


def test_the_note_about_groups_holds_in_the_table() -> None:
    assert "all a1-a2-a3 models are CNNs" in OBSERVATIONAL
    assert {model.family for model in MODELS if model.training == "a1-a2-a3"} == {"cnn"}
    assert "supervised" not in {model.training for model in MODELS if model.pretraining == "large"}


@pytest.mark.parametrize("name", ["published", "screened"])
def test_tables_are_rectangular(name: str) -> None:
    tables = study_tables(population(name))
    assert len(tables) == 3
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)


def test_the_medians_that_the_page_quotes() -> None:
    """docs/published-models.md: transformers with and without the sign of a second softmax."""
    values: dict[bool, list[float]] = {True: [], False: []}
    for model in MODELS:
        if model.family == "transformer":
            values["double-softmax" in model.suspect].append(model.values["class_balance"])
    assert (len(values[True]), len(values[False])) == (5, 110)
    assert (round(median(values[True]), 3), round(median(values[False]), 3)) == (0.928, 0.798)
