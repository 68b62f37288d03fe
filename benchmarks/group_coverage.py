"""Coverage of the intervals of images that come in groups.

Each cell of the grid samples groups of images whose answers are correlated: a group has its own probability
of a right answer, and its own share of answers that survive each corruption or another model (beta
distributions). A cell shows the coverage of 95 % intervals with groups, and then without.

Plain shares, and numbers of images that the answers choose (npv, precision, accuracy of sure answers), are
drawn in vectorised form, the latter with labels of whole groups and of single images. Wrong passes under
`fail` are errors of the lower limit, wrong blocks under `allow` those of the upper one. The width is a
multiple of the true 95 % range.

Shares near 0 and 1, a part of them without an error or a hit, are drawn five times as often and at more sizes
of groups. For 150 groups they show how much wider intervals are than those of a bootstrap of groups.

Drops of a recall with few lost answers are drawn 20,000 times a cell, with ten images of other classes in
each group: `fail` must not pass a drop at the bound, and `allow` must not fail it.

python benchmarks/group_coverage.py --draws 0         drops of a recall alone (3 minutes)
python benchmarks/group_coverage.py --mixed 20000     drops with whole groups lost and single answers gained
python benchmarks/group_coverage.py                   40 draws a cell (two minutes)
python benchmarks/group_coverage.py --draws 1000      slower, more certain
python benchmarks/group_coverage.py --plain 20000     plain shares alone (15 minutes)
python benchmarks/group_coverage.py --chosen 20000    numbers of chosen images alone (more than 10 minutes)

The exit code is 1 if a cell covers significantly less than 93.5 % (binomial test, 1 % over all cells; for the
grid only with 30 groups or more), or if intervals of a share of 0.8 are more than 1.5 times as wide as those
of the bootstrap (correlations up to 0.1, without a dominating group). With `--plain` or `--chosen` it is 1 if
a limit errs in significantly more than 2.5 % of draws, or in more than 2.8 % of 20,000. The rows of `--mixed`
show a known limit, and are not tested.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr, stdtrit
from simulated import LEAST, Correct, Sample, measure, print_summary, read_options, significant, tables

from quba_check.comparison.difference import RunValue, difference
from quba_check.core.confidence import CONFIDENCE
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, CORRUPTIONS, FGSM, PGD, SEVERITIES, View
from quba_check.dimensions import share
from quba_check.dimensions._measuring import with_groups
from quba_check.stats.clusters import LEAST_GROUPS, MOST_SCORE, RAISE, group_effect
from quba_check.stats.intervals import share_limits

SHARES = (0.002, 0.02, 0.2, 0.5, 0.8, 0.98, 0.998)
SHARE_SIZES = ("12", "lognormal", "Pareto", "one of 300")
SHARE_GROUPS = (10, 15, 30, 150)
SHARE_CORRELATIONS = (0.0, 0.1, 0.3, 1.0)
WIDEST = 1.5
WIDTHS_OF = 0.8
RESAMPLES = 200
MORE = 5
DROP_GROUPS = 60
DROP_SIZES = ("2", "lognormal")
DROP_LOST = (2, 5)
OTHERS = 10
DROP_DRAWS = 20_000
ERROR = 0.025
MIXED = (
    ("8", 2, 5, 0),
    ("8", 2, 20, 0),
    ("8", 2, 10, 5),
    ("8", 5, 20, 0),
    ("30", 2, 10, 0),
    ("lognormal", 2, 10, 0),
)
"""Sizes of 60 groups, lost groups, single answers gained, and single answers lost; expected numbers."""
CORRELATIONS = (0.0, 0.01, 0.05, 0.2)
GROUPS = (10, 30, 300)
SIZES = ("2", "20", "heavy-tailed")
CHOSEN_GROUPS = (10, 12, 20, 50, 150, 600)
CHOSEN_SIZES = ("12", "40", "lognormal")
PLAIN_GROUPS = (10, 20, 50, 150)
PLAIN_SIZES = ("12", "40", "200", "about 40", "lognormal")
PLAIN_RATES = (0.8, 0.85, 0.9, 0.935, 0.95, 0.98, 0.99)
PLAIN_CORRELATIONS = (0.0, 0.1, 0.3, 0.5, 1.0)
RATES = ((0.3, 0.9, 0.95), (0.1, 0.8, 0.98), (0.5, 0.5, 0.5), (0.02, 0.9, 0.9), (0.3, 0.98, 0.98))
"""Share of a class, its recall, and its specificity."""
SURE = ((0.9, 0.97), (0.5, 0.9), (0.1, 0.5))
"""Share of sure answers, and their accuracy."""
AT_ONCE = 2_000_000
NOMINAL = 0.025
MOST_ERRORS = 0.028
EDGES = (1.75, 2.0)
"""Groups drawn at once; nominal and largest error of a limit; stored scores next to 1.96."""
ACCURACY = 0.8
SURVIVAL = 0.7
SURVIVAL_OF_OTHER = 0.9
FEWEST = 30


@dataclass(frozen=True)
class Cell:
    """Images in groups: correlation within a group, number of groups, and their sizes."""

    correlation: float
    groups: int
    sizes: str

    def draw_groups(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the group of each image. Pareto sizes have a tail of 1.5, cut at 200 images."""
        if self.sizes in ("heavy-tailed", "Pareto"):
            sizes = np.minimum(1 + 3 * rng.pareto(1.5, self.groups), 200).astype(int)
        elif self.sizes == "lognormal":
            sizes = np.ceil(rng.lognormal(1.5, 1.2, self.groups)).astype(int)
        elif self.sizes == "one of 300":
            sizes = np.array([300] + [8] * (self.groups - 1))
        else:
            sizes = np.full(self.groups, int(self.sizes))
        return np.repeat(np.arange(self.groups), sizes)

    def draw(self, group: NDArray[np.int64], share: float, rng: np.random.Generator) -> Correct:
        """Return an event for each image with a mean share and the cell's correlation within groups."""
        chance = np.full(self.groups, share)
        if self.correlation == 1:
            chance = (rng.random(self.groups) < share).astype(np.float64)
        elif self.correlation:
            concentration = (1 - self.correlation) / self.correlation
            chance = rng.beta(share * concentration, (1 - share) * concentration, self.groups)
        event: Correct = rng.random(len(group)) < chance[group]
        return event


def curves(cell: Cell, rng: np.random.Generator, *, with_groups: bool = True) -> dict[str, Sample]:
    """Return each quantity of one sample, with its true value."""
    group = cell.draw_groups(rng)
    clean = cell.draw(group, ACCURACY, rng)
    attacked, other = (clean & cell.draw(group, share, rng) for share in (SURVIVAL, SURVIVAL_OF_OTHER))
    views: dict[View, Correct] = {CLEAN: clean, FGSM: attacked, PGD: attacked}
    for corruption in CORRUPTIONS:
        correct = clean & cell.draw(group, SURVIVAL, rng)
        views |= {View("corruptions", corruption, severity): correct for severity in SEVERITIES}
    counted = group if with_groups else None
    all_tables = tables(views, counted)
    accuracy, robustness, mean = (
        measure(name, all_tables) for name in ("accuracy", "adversarial_robustness", "corruption_robustness")
    )
    of_other = measure("accuracy", tables({CLEAN: other}, counted))
    return {
        "accuracy": Sample.of(accuracy, ACCURACY),
        "ratio": Sample.of(robustness.parts["fgsm"], SURVIVAL),
        "mean over 15 corruptions": Sample.of(mean, SURVIVAL),
        "paired change": Sample.of_drop(accuracy, of_other, ACCURACY * (1 - SURVIVAL_OF_OTHER)),
    }


def short_shares(given: argparse.Namespace, rng: np.random.Generator) -> list[str]:
    """Return the cells of shares with too small a coverage or too wide intervals."""
    print("\nshares: lowest coverage over shares of 0.002 to 0.998; width, as a multiple of the bootstrap's")
    covered: dict[str, int] = {}
    wide = []
    draws = MORE * given.draws
    for sizes, groups, correlation in product(SHARE_SIZES, SHARE_GROUPS, SHARE_CORRELATIONS):
        cell = Cell(correlation, groups, sizes)
        widths: dict[float, float] = {}
        lowest = draws
        for mean in SHARES:
            samples = [share_sample(cell, mean, rng) for _ in range(draws)]
            held = sum(all(sample.sides) for sample, _, _ in samples)
            covered[f"share {mean}, {cell}"], lowest = held, min(lowest, held)
            if groups == max(SHARE_GROUPS):
                widths[mean] = width_ratio(samples[:40], rng)
        if widths and correlation <= 0.1 and sizes != "one of 300" and widths[WIDTHS_OF] > WIDEST:
            wide.append(f"{cell}: {widths[WIDTHS_OF]:.2f} times as wide as the bootstrap")
        shown = "  ".join(f"{mean:g}: {ratio:.2f}" for mean, ratio in widths.items())
        name = f"{groups} groups, {sizes}, correlation {correlation:g}"
        print(f"  {name:<44}{lowest / draws:7.1%}  {shown}", flush=True)
    return significant(covered, draws, LEAST) + wide


def share_sample(
    cell: Cell, mean: float, rng: np.random.Generator
) -> tuple[Sample, NDArray[np.int64], Correct]:
    """Return the share of one sample, the groups and the hits."""
    group = cell.draw_groups(rng)
    hits = cell.draw(group, mean, rng)
    n = len(group)
    zeros = np.zeros(n, np.int64)
    half = np.full(n, 0.5, np.float32)
    predictions = Predictions(np.arange(n), zeros, zeros, half, half, group=group)
    return Sample.of(with_groups(share(hits, CLEAN), {CLEAN: predictions}), mean), group, hits


def width_ratio(samples: list[tuple[Sample, NDArray[np.int64], Correct]], rng: np.random.Generator) -> float:
    """Return the mean width of intervals over that of percentiles of a bootstrap of groups."""
    ours = 0.0
    theirs = 0.0
    for sample, group, hits in samples:
        sums = np.stack([np.bincount(group, weights=hits), np.bincount(group)])
        right, n = sums[:, rng.integers(0, sums.shape[1], (RESAMPLES, sums.shape[1]))].sum(axis=2)
        theirs += float(np.ptp(np.quantile(right / n, [0.025, 0.975])))
        ours += 0.0 if sample.curve is None else float(np.ptp(sample.curve.interval(CONFIDENCE)))
    return ours / theirs if theirs else float("inf")


def recall_drops(draws: int, rng: np.random.Generator) -> list[str]:
    """Return the cells of drops with few lost answers in which `fail` or `allow` is wrong too often."""
    print(
        f"drops of a recall, {draws:,} draws a cell: wrong under fail, under allow; width over the oracle's"
    )
    wrong: dict[str, int] = {}
    for sizes, lost, correlation in product(DROP_SIZES, DROP_LOST, (0.0, 1.0)):
        samples = [recall_drop(Cell(correlation, DROP_GROUPS, sizes), lost, rng) for _ in range(draws)]
        name = f"{DROP_GROUPS} groups, {sizes}, {lost} lost, correlation {correlation:g}"
        passed, failed = (
            sum(not sample.sides[side] for sample in samples if sample.curve) for side in range(2)
        )
        wrong |= {f"{name}: fail": passed, f"{name}: allow": failed}
        widths = [np.ptp(sample.curve.interval(CONFIDENCE)) for sample in samples if sample.curve]
        width = float(np.mean(widths)) / (2 * 1.96 * float(np.std([one.value for one in samples])))
        print(f"  {name:<48}{passed / draws:7.2%}{failed / draws:8.2%}{width:7.2f}", flush=True)
    return print_summary("drops of a recall: most wrong verdicts", wrong, draws, ERROR, above=True)


def recall_drop(cell: Cell, lost: int, rng: np.random.Generator) -> Sample:
    """Return the drop of the recall of a class, 0.9 before some right answers are lost."""
    of_class = cell.draw_groups(rng)
    others = np.repeat(np.arange(cell.groups), OTHERS)
    group = np.concatenate([of_class, others])
    is_class = np.arange(len(of_class) + len(others)) < len(of_class)
    # With a correlation of 1 whole groups are lost.
    rate = lost / (cell.groups if cell.correlation == 1 else len(of_class))
    before = rng.random(len(of_class)) < 0.9
    after = before & ~cell.draw(of_class, rate, rng)
    runs = []
    for right in (before, after):
        influences = np.zeros(len(group))
        influences[is_class] = (right - right.mean()) * len(group) / len(right)
        runs.append(RunValue(float(right.mean()), influences={"clean": influences}, groups={"clean": group}))
    change = difference(*runs)
    return Sample(-0.9 * rate, change.value, change.curve)


def mixed_drops(draws: int, rng: np.random.Generator) -> None:
    """Print how often limits of drops err if whole groups are lost and single answers change."""
    print(f"drops, whole groups lost, {draws:,} draws a cell: wrong under fail, under allow")
    for sizes, groups_lost, gained, lost in MIXED:
        cell = Cell(1.0, DROP_GROUPS, sizes)
        sides = []
        for _ in range(draws):
            group = cell.draw_groups(rng)
            before = rng.random(len(group)) < 0.9
            chance = rng.random(len(group)) * len(group)
            is_lost = cell.draw(group, groups_lost / cell.groups, rng) | (chance < lost)
            after = np.where(before, ~is_lost, chance < 10 * gained)
            runs = [
                RunValue(float(one.mean()), influences={"clean": one - one.mean()}, groups={"clean": group})
                for one in (before, after)
            ]
            kept = (1 - groups_lost / cell.groups) * (1 - lost / len(group))
            change = difference(*runs)
            sides.append(Sample(-0.9 * (1 - kept) + gained / len(group), change.value, change.curve).sides)
        passed, failed = 1 - np.mean(sides, axis=0)
        name = f"{sizes}, {groups_lost} groups and {lost} answers lost, {gained} gained"
        print(f"  {DROP_GROUPS} groups, {name:<60}{passed:7.2%}{failed:8.2%}", flush=True)


Numbers = NDArray[np.float64]
Chosen = dict[str, tuple[Numbers, Numbers, Numbers, float]]
"""By number, (D, G) images of each group that could count, count, and are hits; and the true value."""


def beta(mean: float, correlation: float, shape: tuple[int, ...], rng: np.random.Generator) -> Numbers:
    """Return rates of groups with a mean and a correlation within groups."""
    if not correlation:
        return np.full(shape, mean)
    if correlation == 1:
        return (rng.random(shape) < mean).astype(np.float64)
    concentration = (1 - correlation) / correlation
    return rng.beta(mean * concentration, (1 - mean) * concentration, shape)


def sizes_of(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the sizes of groups in several draws."""
    if kind == "lognormal":
        return np.ceil(rng.lognormal(1.5, 1.2, shape)).astype(np.int64)
    if kind == "about 40":
        return np.ceil(40 * rng.lognormal(0, 0.4, shape)).astype(np.int64)
    return np.full(shape, int(kind))


def of_a_class(
    sizes: NDArray[np.int64],
    rates: Sequence[float],
    correlation: float,
    one_label: bool,
    rng: np.random.Generator,
) -> Chosen:
    """Return npv and precision of a class, with the labels of groups or of images."""
    share, recall, specificity = rates
    own = rng.random(sizes.shape) < share if one_label else beta(share, 0.2, sizes.shape, rng)
    positive = rng.binomial(sizes, own)
    found = rng.binomial(positive, beta(recall, correlation, sizes.shape, rng))
    false = rng.binomial(sizes - positive, beta(1 - specificity, correlation, sizes.shape, rng))
    right = (1 - share) * specificity
    missed = share * (1 - recall)
    hits = share * recall
    wrong = (1 - share) * (1 - specificity)
    negative = sizes - positive - false
    return {
        "npv": (sizes, sizes - found - false, negative, right / (right + missed)),
        "precision": (sizes, found + false, found, hits / (hits + wrong)),
    }


def of_sure_answers(
    sizes: NDArray[np.int64], rates: Sequence[float], correlation: float, rng: np.random.Generator
) -> Chosen:
    """Return the accuracy of sure answers."""
    share, accuracy = rates
    sure = rng.binomial(sizes, beta(share, 0.2, sizes.shape, rng))
    return {
        "sure": (sizes, sure, rng.binomial(sure, beta(accuracy, correlation, sizes.shape, rng)), accuracy)
    }


def effective(weights: Numbers) -> Numbers:
    """Return the effective number of (D, G) weights; 1 if all are 0."""
    squares = (weights**2).sum(axis=1)
    return np.where(squares > 0, weights.sum(axis=1) ** 2 / np.where(squares > 0, squares, 1.0), 1.0)


def effects(sizes: Numbers, counted: Numbers, hits: Numbers) -> tuple[Numbers, Numbers]:
    """Return factor and freedom of `group_effect` for (D, G) groups."""
    share = (hits.sum(axis=1) / np.maximum(counted.sum(axis=1), 1))[:, None]
    sums = hits - share * counted
    masses = hits * (1 - share) ** 2 + (counted - hits) * share**2
    n = sizes.sum(axis=1)
    groups = (sizes > 0).sum(axis=1)
    squares = masses.sum(axis=1)
    largest = (sizes**2).sum(axis=1) / np.maximum(n, 1)
    variance = np.where(squares > 0, squares, 1.0)
    contributions = (sums * n[:, None] / np.maximum(n[:, None] - sizes, 1)) ** 2
    factor = contributions.sum(axis=1) * (groups - 1) / np.maximum(groups, 1) / variance
    within = squares - (sums**2 / np.maximum(sizes, 1)).sum(axis=1)
    correlation = 1 - within / np.maximum(n - groups, 1) * n / variance
    explained = 1 + np.maximum(correlation, 0) * (largest - 1)
    floor = np.maximum(1.0, n / np.maximum(groups, 1) / effective(masses))
    excess = (masses**2).sum(axis=1) - squares**2 / np.maximum(groups, 1)
    of_squares = np.where(excess > 0, 2 * squares**2 / np.where(excess > 0, excess, 1.0), np.inf)
    freedom = n / np.maximum(largest, 1e-9) - 1
    freedom = np.where(factor > np.maximum(explained, floor), np.minimum(freedom, of_squares), freedom)
    factor = np.maximum(np.maximum(factor, explained), floor)
    evenness = n / np.maximum(largest, 1e-9) / np.maximum(groups, 1)
    raised = factor + (factor - 1) * RAISE * evenness / (effective(contributions) + 1)
    factor = np.maximum(factor, np.minimum(raised, largest))
    varies = squares > 0
    return np.where(varies, factor, floor), np.where(varies, np.maximum(freedom, 1.0), np.inf)


def chosen_limits(possible: Numbers, counted: Numbers, hits: Numbers) -> NDArray[np.float64]:
    """Return (2, D) limits of the 95 % interval; NaN for too few groups."""
    factor, freedom = effects(possible, counted, hits)
    n = counted.sum(axis=1) / factor
    k = hits.sum(axis=1) / factor
    ends = []
    for sign in (-1, 1):
        stored = []
        for z in EDGES:
            distance = np.where(np.isinf(freedom), z, np.minimum(stdtrit(freedom, ndtr(z)), MOST_SCORE))
            stored.append(share_limits_of(k, n, sign * distance))
        weight = (1.959964 - EDGES[0]) / (EDGES[1] - EDGES[0])
        ends.append(stored[0] + weight * (stored[1] - stored[0]))
    return np.where((counted > 0).sum(axis=1) >= LEAST_GROUPS, np.stack(ends), np.nan)


def share_limits_of(hits: Numbers, n: Numbers, z: Numbers) -> Numbers:
    """Return `share_limits` of many shares, each at a score of its own."""
    more = hits + (z > 0)
    fewer = n - hits + (z <= 0)
    limits = betaincinv(np.maximum(more, 1e-9), np.maximum(fewer, 1e-9), ndtr(z))
    return np.select([more == 0, fewer <= 1e-9], [np.zeros_like(z), np.ones_like(z)], limits)


def check_against_package(chosen: Chosen) -> None:
    """Raise an error if limits of the first draw differ from those of the package."""
    for possible, counted, hits, _ in chosen.values():
        sizes, counts, right = (one[0].astype(np.int64) for one in (possible, counted, hits))
        group = np.repeat(np.arange(len(sizes)), sizes)
        position = np.concatenate([np.arange(size) for size in sizes])
        is_counted = position < np.repeat(counts, sizes)
        is_hit = position < np.repeat(right, sizes)
        if not is_counted.any():
            continue
        influences = np.where(is_counted, is_hit - is_hit.sum() / is_counted.sum(), 0.0) / is_counted.mean()
        side = np.where(is_counted, 1, -1).astype(np.int8)
        effect = group_effect({"rows": influences}, {"rows": group}, {"rows": side})
        if effect is None or effect.count < LEAST_GROUPS:
            continue
        scores = effect.scores(np.array([-EDGES[1], -EDGES[0], EDGES[0], EDGES[1]]))
        ends = share_limits(is_hit.sum() / effect.factor, is_counted.sum() / effect.factor, scores)
        weight = (1.959964 - EDGES[0]) / (EDGES[1] - EDGES[0])
        expected = [ends[1] + weight * (ends[0] - ends[1]), ends[2] + weight * (ends[3] - ends[2])]
        ours = chosen_limits(possible[:1], counted[:1], hits[:1])[:, 0]
        np.testing.assert_allclose(ours, expected, atol=1e-9)


ChosenCell = tuple[str, int, str, Callable[[NDArray[np.int64]], Chosen]]
"""Name, number of groups, their sizes, and a function that draws numbers of (D, G) groups of these sizes."""


def plain_cells(rng: np.random.Generator) -> Iterator[ChosenCell]:
    """Yield the cells of plain shares."""

    def draw(sizes: NDArray[np.int64], rate: float, correlation: float) -> Chosen:
        hits = rng.binomial(sizes, beta(rate, correlation, sizes.shape, rng))
        return {"share": (sizes, sizes, hits, rate)}

    for sizes, groups, correlation, rate in product(
        PLAIN_SIZES, PLAIN_GROUPS, PLAIN_CORRELATIONS, PLAIN_RATES
    ):
        place = f"{groups} groups of {sizes}, correlation {correlation:g}, {rate:g}"
        yield place, groups, sizes, partial(draw, rate=rate, correlation=correlation)


def chosen_cells(rng: np.random.Generator) -> Iterator[ChosenCell]:
    """Yield the cells of numbers of chosen images; of 600 groups one correlation."""
    for groups, sizes, correlation in product(CHOSEN_GROUPS, CHOSEN_SIZES, (0.0, 0.1, 0.3)):
        if groups == max(CHOSEN_GROUPS) and correlation != 0.1:
            continue
        place = f"{groups} groups of {sizes}, correlation {correlation:g}"
        for rates, one_label in product(RATES, (True, False)):
            labels = "one label" if one_label else "mixed"
            draw = partial(of_a_class, rates=rates, correlation=correlation, one_label=one_label, rng=rng)
            yield f"{place}, {rates}, {labels}", groups, sizes, draw
        for rates in SURE:
            draw = partial(of_sure_answers, rates=rates, correlation=correlation, rng=rng)
            yield f"{place}, {rates}", groups, sizes, draw


def vectorised(cells: Iterable[ChosenCell], draws: int, rng: np.random.Generator) -> list[str]:
    """Print errors and widths of numbers of groups; return the cells with too many errors."""
    print(f"{draws:,} draws a cell: errors of the lower and of the upper limit, and width")
    errors: dict[str, int] = {}
    for place, groups, sizes, draw in cells:
        ends: dict[str, list[NDArray[np.float64]]] = {}
        values: dict[str, list[Numbers]] = {}
        truth: dict[str, float] = {}
        for start in range(0, draws, max(1, AT_ONCE // groups)):
            shape = min(draws - start, max(1, AT_ONCE // groups)), groups
            chosen = draw(sizes_of(sizes, shape, rng))
            if not start:
                check_against_package(chosen)
            for name, (possible, counted, hits, true) in chosen.items():
                truth[name] = true
                ends.setdefault(name, []).append(chosen_limits(possible, counted, hits))
                measured = counted.sum(axis=1) > 0
                values.setdefault(name, []).append(hits.sum(axis=1)[measured] / counted.sum(axis=1)[measured])
        for name, kept in ends.items():
            range_of = float(np.ptp(np.quantile(np.concatenate(values[name]), [0.025, 0.975])))
            low, high = np.concatenate(kept, axis=1)
            wrong = int((low > truth[name] + 1e-9).sum()), int((high < truth[name] - 1e-9).sum())
            has_limits = ~np.isnan(low)
            width = float((high - low)[has_limits].mean()) if has_limits.any() else float("nan")
            errors |= {f"{name}, {place}, fail": wrong[0], f"{name}, {place}, allow": wrong[1]}
            shares = f"{wrong[0] / draws:7.2%} {wrong[1] / draws:6.2%} {width / (range_of or np.nan):5.2f}"
            print(f"{name:<10}{place:<74}{shares}", flush=True)
    short = significant(errors, draws, NOMINAL, above=True)
    most = max(errors, key=lambda name: errors[name])
    print(
        f"\nmost errors: {errors[most] / draws:.2%}, {most}",
        f"significantly above {NOMINAL:.1%}: {len(short)}",
    )
    above = [name for name, wrong in errors.items() if draws >= 20_000 and wrong > MOST_ERRORS * draws]
    print(*short, *above, sep="\n  ")
    return [*short, *above]


def main() -> int:
    given, rng = read_options(__doc__, 40, flags=("--plain", "--chosen", "--mixed"))
    if given.mixed:
        mixed_drops(given.mixed, rng)
        return 0
    if given.plain:
        return 1 if vectorised(plain_cells(rng), given.plain, rng) else 0
    if given.chosen:
        return 1 if vectorised(chosen_cells(rng), given.chosen, rng) else 0
    often = recall_drops(DROP_DRAWS, rng)
    if not given.draws:
        return 1 if often else 0
    print(f"{given.draws:,} draws a cell; coverage of 95 % intervals with groups, and without")
    enough: dict[str, int] = {}
    for sizes, groups, correlation in product(SIZES, GROUPS, CORRELATIONS):
        cell = Cell(correlation, groups, sizes)
        print(f"\n{cell.groups} groups of {cell.sizes} images, correlation {cell.correlation:g}")
        ours = Counter[str]()
        without = Counter[str]()
        for _ in range(given.draws):
            ours.update(name for name, one in curves(cell, rng).items() if all(one.sides))
        for _ in range(given.draws // 4):
            sample = curves(cell, rng, with_groups=False)
            without.update(name for name, one in sample.items() if all(one.sides))
        for name in sample:
            if groups >= FEWEST:
                enough[f"{name}, {cell}"] = ours[name]
            shares = ours[name] / given.draws, without[name] / (given.draws // 4)
            print(f"  {name:<26}{shares[0]:7.1%}{shares[1]:8.1%}", flush=True)
    short = print_summary(f"{FEWEST} groups or more: lowest coverage", enough, given.draws, LEAST)
    shares = short_shares(given, rng)
    print(f"shares: {len(shares)} cells cover too little, or are too wide", *shares, sep="\n  ")
    return 1 if short or shares or often else 0


if __name__ == "__main__":
    sys.exit(main())
