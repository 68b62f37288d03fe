"""Groups and copies of images: intervals count a group as one observation."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy
from numpy.typing import NDArray
from support.answers import answers, facts

from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.view import CLEAN, CUE_CONFLICT_SET, FGSM, PGD, REFERENCE, SEVERITIES, View
from quba_check.dimensions import measure_dimension, registry, share
from quba_check.errors import UnmeasurableError
from quba_check.stats.clusters import group_effect
from quba_check.stats.estimate import Estimate
from quba_check.stats.intervals import share_limits

FACTS = facts(shifts=("sketch",), corruptions=("fog",), unknown=("near",))
FOG = [View("corruptions", "fog", severity) for severity in SEVERITIES]
SAME = View("mixed_same")
RANDOM = View("mixed_rand")
SKETCH = View("sketch")
CUES = View(CUE_CONFLICT_SET)
NEAR = View("unknown/near")
SHARES = {CLEAN: 0.9, FGSM: 0.5, PGD: 0.4, SAME: 0.8, RANDOM: 0.7, SKETCH: 0.6, CUES: 0.6, NEAR: 0.5}
SHARES |= {replace(CLEAN, variant=REFERENCE): 0.85} | dict.fromkeys(FOG, 0.8)
NAMES = [name for name in registry.names if registry[name].views(FACTS.suite)]
TOLERANCE = {"class_balance": 0.2}  # its error has a second-order term that grows faster than 1 / √n


def table(correct: NDArray[np.bool_], rng: np.random.Generator) -> Predictions:
    n = len(correct)
    label = np.arange(n) % 2
    p = np.where(correct, rng.uniform(0.5, 1, n), rng.uniform(0, 0.5, n)).astype(np.float32)
    probabilities = np.where(label[:, None] == [0, 1], p[:, None], 1 - p[:, None])
    extra = {
        "always_right": correct,
        "zero_gradient": ~correct,
        "texture": (label + (rng.random(n) < 0.9)) % 2,
    }
    return answers(label, np.where(correct, label, 1 - label), probabilities, extra=extra)


def copied(one: Predictions, rows: NDArray[np.intp], first: int = 0) -> Predictions:
    """The rows of a table, with new numbers; equal rows are copies, in groups from number `first`."""
    group = first + np.unique(rows, return_inverse=True)[1]
    return replace(one.rows(rows), index=np.arange(len(rows)), group=group)


def tables(n: int = 400) -> dict[View, Predictions]:
    rng = np.random.default_rng(0)
    return {view: table(rng.random(n) < share, rng) for view, share in SHARES.items()}


def of(name: str, views: dict[View, Predictions]) -> Measurement:
    return measure_dimension(registry[name], views, FACTS)


@pytest.mark.parametrize("name", NAMES)
def test_intervals_of_copies_are_those_of_the_images(name: str) -> None:
    single = tables()
    # Attacks and corruptions show the clean images; other sets have their own.
    firsts = {SKETCH: 400, SAME: 800, RANDOM: 800, CUES: 1200}
    rows = np.arange(400).repeat(2)
    doubled = {view: copied(one, rows, firsts.get(view, 0)) for view, one in single.items()}
    ours = of(name, doubled)
    expected = of(name, single)
    uncounted = of(name, {view: replace(one, group=None) for view, one in doubled.items()})
    assert (ours.value, ours.n) == (uncounted.value, uncounted.n)
    pairs = [(ours, expected)]
    pairs += [(part, expected.parts[part_name]) for part_name, part in ours.parts.items()]
    tolerance = TOLERANCE.get(name, 0.06)
    for one, other in pairs:
        if one.interval is not None and other.interval is not None:
            assert one.value == pytest.approx(other.value, rel=0.1)
            assert np.ptp(one.interval) == pytest.approx(np.ptp(other.interval), rel=tolerance)
    effect = group_effect(ours.influences, ours.groups_of_sets)
    error = Estimate(0.0, ours.influences).standard_error * math.sqrt(effect.factor)
    assert error == pytest.approx(Estimate(0.0, expected.influences).standard_error, rel=tolerance)
    assert ours.debiased_limit is None


@pytest.mark.parametrize("name", NAMES)
def test_without_copies_nothing_changes(name: str) -> None:
    assert of(name, tables()) == registry[name].measure(tables(), FACTS)


def test_copies_by_hand() -> None:
    """Each of 100 images is there twice, 80 are right: exact limits of 79.2 of 99, at scores of t."""
    rows = np.arange(100).repeat(2)
    measurement = of("accuracy", {CLEAN: copied(table(np.arange(100) < 80, np.random.default_rng(0)), rows)})
    factor = 2 * 100 / 99  # of the jackknife over groups
    t = scipy.stats.t.ppf([0.025, 0.975], 99)
    expected = share_limits(160 / factor, 200 / factor, t)
    assert measurement.interval == pytest.approx(expected, abs=5e-4)
    assert (measurement.n, measurement.sample.groups) == (200, 100)
    assert measurement.sample.effective == pytest.approx(99)


@pytest.mark.parametrize("others", [50, 100])
def test_copies_of_one_right_image_prove_nothing(others: int) -> None:
    one = table(np.arange(100) < others, np.random.default_rng(0))
    rows = np.concatenate([np.arange(100), np.zeros(900, np.intp)])
    measurement = of("accuracy", {CLEAN: copied(one, rows)})
    assert measurement.value >= 0.95
    low, high = measurement.interval
    assert low < others / 100
    assert 0 <= low <= measurement.value <= high <= 1


@pytest.mark.parametrize(("groups", "has_interval"), [(9, False), (10, True), (1, False)])
def test_few_groups_have_no_interval(groups: int, has_interval: bool) -> None:
    clean = replace(tables()[CLEAN], group=np.arange(400) % groups)
    measurement = of("accuracy", {CLEAN: clean})
    assert (measurement.sample.groups, measurement.curve is not None) == (groups, has_interval)
    assert measurement.value == clean.accuracy


def test_one_large_group_leaves_an_interval() -> None:
    """A group of 200 among 29 lone images: about two degrees of freedom, and scores beyond 100."""
    group = np.concatenate([np.zeros(200, np.int64), np.arange(1, 30)])
    correct = np.arange(229) % 7 > 0
    clean = replace(table(correct, np.random.default_rng(0)), group=group)
    views = {CLEAN: clean, FGSM: clean, PGD: replace(clean, predicted=1 - clean.label)}
    for measurement in (of("accuracy", views), of("adversarial_robustness", views)):
        assert np.isfinite(measurement.interval).all()


@pytest.mark.parametrize("correlation", [0.0, 0.2])
@pytest.mark.parametrize("size", ["20", "heavy-tailed"])
def test_intervals_of_30_groups_cover_the_true_value(correlation: float, size: str) -> None:
    """A small version of benchmarks/group_coverage.py; the allowance is for 300 draws."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        sizes = np.full(30, 20) if size == "20" else np.minimum(1 + 3 * rng.pareto(1.5, 30), 200).astype(int)
        scale = (1 - correlation) / correlation if correlation else None
        chance = np.full(30, 0.8) if scale is None else rng.beta(0.8 * scale, 0.2 * scale, 30)
        group = np.repeat(np.arange(30), sizes)
        clean = table(rng.random(len(group)) < chance[group], rng)
        low, high = of("accuracy", {CLEAN: replace(clean, group=group)}).interval or (1.0, 0.0)
        covered += low <= 0.8 <= high
    assert scipy.stats.binom.cdf(covered, 300, 0.935) > 0.01


def grouped_tables(groups: int, seed: int) -> dict[View, Predictions]:
    """Clean and unknown images in groups of lognormal sizes, whose scores are correlated."""
    rng = np.random.default_rng(seed)
    views = {}
    for number, (view, mean) in enumerate(((CLEAN, 0.9), (NEAR, 0.5))):
        group = np.repeat(np.arange(groups), np.ceil(rng.lognormal(1.5, 1, groups)).astype(int))
        hits = rng.random(len(group)) < rng.beta(4 * mean, 4 * (1 - mean), groups)[group]
        views[view] = replace(table(hits, rng), group=group + 1000 * number)
    return views


def resampled(views: dict[View, Predictions], rng: np.random.Generator) -> dict[View, Predictions]:
    """Whole groups, drawn with replacement, without names."""
    drawn = {}
    for view, one in views.items():
        names, group = np.unique(one.group, return_inverse=True)  # type: ignore[arg-type]
        rows = np.argsort(group, kind="stable")
        chosen = np.split(rows, np.cumsum(np.bincount(group))[:-1])
        picked = np.concatenate([chosen[number] for number in rng.integers(0, len(names), len(names))])
        drawn[view] = replace(one.rows(picked), index=np.arange(len(picked)), group=None)
    return drawn


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "part"), [("unknown_detection", "near_fpr95"), ("calibration_error", "nll")]
)
def test_intervals_of_150_groups_are_as_wide_as_their_bootstrap(name: str, part: str) -> None:
    rng = np.random.default_rng(1)
    ratios = []
    known = replace(FACTS, with_tables=False)
    for seed in range(4):
        views = grouped_tables(150, seed)
        interval = of(name, views).parts[part].interval
        values = [registry[name].measure(resampled(views, rng), known).parts[part].value for _ in range(60)]
        ratios.append(np.ptp(interval) / np.ptp(np.quantile(values, [0.025, 0.975])))
    assert 0.8 < np.mean(ratios) < 1.6


def surest(predictions: Tables, facts: Facts) -> Measurement:
    """The accuracy of the surest half, as an own dimension states it: of some rows of no view."""
    clean = predictions[CLEAN]
    rows = np.argsort(-clean.confidence, kind="stable")[: len(clean) // 2]
    return Measurement.of("surest", share(clean.correct[rows], "the surest half"))


def test_a_share_of_rows_that_nobody_names_leaves_out_groups() -> None:
    """As wide as the bootstrap of groups, though the rows are unknown; nothing varies if all are wrong."""
    views = {CLEAN: grouped_tables(150, 5)[CLEAN]}
    rng = np.random.default_rng(2)
    views[CLEAN].confidence[:] = rng.random(len(views[CLEAN]))  # else all of the surest are right
    own = replace(registry["accuracy"], name="surest", measure=surest)
    interval = measure_dimension(own, views, FACTS).interval
    values = [surest(resampled(views, rng), FACTS).value for _ in range(300)]
    assert 0.7 < np.ptp(interval) / np.ptp(np.quantile(values, [0.025, 0.975])) < 1.5
    wrong = {CLEAN: replace(views[CLEAN], predicted=1 - views[CLEAN].label)}
    nothing = measure_dimension(own, wrong, FACTS)
    assert nothing.interval[1] < 0.1


def test_a_dimension_without_a_value_on_fewer_groups_counts_groups_as_one_image() -> None:
    def brittle(predictions: Tables, facts: Facts) -> Measurement:
        if len(predictions[CLEAN]) < 400:
            raise UnmeasurableError("too few images")
        return surest(predictions, facts)

    clean = replace(tables()[CLEAN], group=np.arange(400) // 10)
    own = replace(registry["accuracy"], name="surest", measure=brittle)
    measurement = measure_dimension(own, {CLEAN: clean}, FACTS)
    assert (measurement.sample.groups, measurement.sample.effective) == (40, 20)
