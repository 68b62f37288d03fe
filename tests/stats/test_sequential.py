"""Early stopping: decisions come early and are hardly ever wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from quba_check.stats.sequential import Corners, Decision, StoppingRule, ratio_range

SHARE: Corners = ((0.0, 1.0), (1.0, 1.0))
RATIO: Corners = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
BATCH = 256
Sets = Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]


def first(values: Sequence[float]) -> float:
    return values[0]


def run(rule: StoppingRule, sets: Sets, rng: np.random.Generator, batch: int = BATCH) -> Decision:
    """Update a rule with random batches until it decides, or to the end."""
    orders = [rng.permutation(len(numerators)) for numerators, _ in sets]
    for start in range(0, max(map(len, orders)), batch):
        parts = [order[start : start + batch] for order in orders]
        terms = [(top[part], bottom[part]) for (top, bottom), part in zip(sets, parts, strict=True)]
        decision = rule.update(terms)
        if decision != "undecided":
            return decision
    return "undecided"


def hits(n: int, share: float) -> NDArray[np.float64]:
    return (np.arange(n) < round(n * share)).astype(float)


def share(n: int, of: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return hits(n, of), np.ones(n)


def divergence(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


@pytest.mark.parametrize("margin", [0.05, 0.10, -0.05, -0.10])
def test_accuracy_stops_nearly_as_early_as_possible(margin: float) -> None:
    """At most 1.5 times the bound of a sequential probability ratio test, plus a batch."""
    alpha, bound, rng = 0.025, 0.70, np.random.default_rng(0)
    seen, wrong = [], 0
    for _ in range(25):
        rule = StoppingRule([50_000], [SHARE], first, bound, alpha)
        wrong += run(rule, [share(50_000, bound + margin)], rng) != ("met" if margin > 0 else "missed")
        seen.append(rule.ratios[0].n_seen)
    assert wrong == 0
    assert np.mean(seen) <= 1.5 * math.log(1 / alpha) / divergence(bound + margin, bound) + BATCH


def test_wrong_decisions_are_at_most_alpha_unlike_with_peeking() -> None:
    """One hit below the bound: a fixed-size test applied after every batch is often wrong."""
    n, bound, alpha, runs = 6000, 0.70, 0.05, 120
    values, rng = share(n, bound - 1 / n), np.random.default_rng(1)
    wrong = peeking = 0
    for _ in range(runs):
        state = rng.bit_generator.state
        rule = StoppingRule([n], [SHARE], first, bound, alpha)
        wrong += run(rule, [values], rng, batch=50) == "met"
        rng.bit_generator.state = state
        seen = np.cumsum(values[0][rng.permutation(n)])[49::50]
        sizes = np.arange(50, n + 1, 50)
        errors = np.sqrt(bound * (1 - bound) * (1 - sizes / n) / sizes)
        with np.errstate(divide="ignore", invalid="ignore"):
            peeking += (((seen / sizes - bound) / errors)[:-1] > 1.645).any()
    assert wrong <= alpha * runs + 2.33 * math.sqrt(runs * alpha * (1 - alpha))
    assert peeking > 0.3 * runs


def test_an_upper_bound_mirrors_a_lower_one() -> None:
    """A mean of at most 0.3 is a mean of the complement of at least 0.7."""
    n, rng = 6000, np.random.default_rng(2)
    for true in (0.2, 0.4):
        values, ones = share(n, true)
        order = rng.permutation(n)
        upper = StoppingRule([n], [SHARE], first, 0.3, 0.05, at_most=True)
        lower = StoppingRule([n], [SHARE], first, 0.7, 0.05)
        for start in range(0, n, BATCH):
            part = order[start : start + BATCH]
            decision = upper.update([(values[part], ones[part])])
            assert decision == lower.update([(1 - values[part], ones[part])])
            if decision != "undecided":
                break
        assert decision == ("met" if true < 0.3 else "missed")


def ratio_set(n: int, clean: float, shifted: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) correct when shifted and when clean, as nested sets of images."""
    return hits(n, shifted), hits(n, clean)


FUNCTIONS: dict[str, tuple[Sets, list[Corners], Callable[[Sequence[float]], float], float]] = {
    "a ratio": ([ratio_set(8000, 0.8, 0.5)], [RATIO], first, 0.625),
    "a mean of ratios": ([(np.linspace(0, 1, 8000) ** 2, hits(8000, 0.8))], [RATIO], first, 0.4167),
    "shape bias": (
        [(hits(8000, 0.3), hits(8000, 0.9))],
        [((0.0, 0.0), (0.0, 1.0), (1.0, 1.0))],
        first,
        1 / 3,
    ),
    "object focus": (
        [(-hits(4050, 0.08), np.ones(4050)), share(8000, 0.8)],
        [((-1.0, 1.0), (1.0, 1.0)), SHARE],
        lambda ratios: 1 + ratios[0] / ratios[1] if ratios[1] else -math.inf,
        0.9,
    ),
    "a geometric mean": (
        [ratio_set(8000, 0.8, 0.6), ratio_set(8000, 0.8, 0.3)],
        [RATIO, RATIO],
        lambda ratios: math.sqrt(ratios[0] * ratios[1]),
        math.sqrt(0.75 * 0.375),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_kind_of_value_is_decided_correctly(name: str) -> None:
    sets, corners, value, true = FUNCTIONS[name]
    rng = np.random.default_rng(2)
    totals = [len(numerators) for numerators, _ in sets]
    for threshold, decision in ((true - 0.12, "met"), (true + 0.12, "missed")):
        rule = StoppingRule(totals, corners, value, threshold, 0.025)
        assert run(rule, sets, rng) == decision
        assert rule.ratios[0].n_seen < totals[0]
    rule = StoppingRule(totals, corners, value, true + 1e-4, 0.025)
    assert run(rule, sets, rng) in ("undecided", "missed")


def test_small_sets_are_seen_whole_and_take_no_share_of_alpha() -> None:
    rule = StoppingRule([8000, 600], [SHARE, SHARE], min, 0.3, 0.05, seen_whole=[False, True])
    sets = [share(8000, 0.9), share(600, 0.5)]
    assert run(rule, sets, np.random.default_rng(0)) == "met"
    assert rule.ratios[0].n_seen == 3 * BATCH
    assert rule.ratios[1].limits(0.05) == (0.5, 0.5)


def test_nothing_is_decided_while_the_denominator_may_be_zero() -> None:
    rule = StoppingRule([5000], [RATIO], first, 0.5, 0.05)
    assert rule.update([(np.ones(500), np.zeros(500))]) == "undecided"
    assert rule.update([(np.ones(1), np.ones(1))]) == "met"


def test_the_range_of_a_ratio() -> None:
    assert ratio_range(SHARE) == (0.0, 1.0)
    assert ratio_range(RATIO) == (0.0, math.inf)


def test_no_decision_contradicts_the_value_so_far() -> None:
    """Misses reject the threshold, but the value so far is above it."""
    rule = StoppingRule([5000], [SHARE], first, 0.5, 0.05)
    unlucky, lucky = np.zeros(32), np.ones(48)
    both = np.concatenate([unlucky, lucky])
    assert rule.update([(both, np.ones(len(both)))]) == "undecided"
    assert rule.ratios[0].is_below(0.05)[0]
    assert rule.update([(unlucky, np.ones(len(unlucky)))]) == "missed"
