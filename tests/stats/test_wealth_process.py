"""The wealth process: valid under the hypothesis, on infinite sets as powerful as `ville`."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ville import BettingCS, BettingTest

from quba_check.stats.sequential import INTERVAL, STAKES, WealthProcess

CENTRED = np.array([-0.5]), np.array([0.5])


def log_wealth(values: np.ndarray, total: int) -> float:
    """Value by value, straight from the definition."""
    wealth, best = np.ones(len(STAKES)), 1.0
    for place, value in enumerate(values):
        rest = -sum(values[:place]) / (total - place)
        wealth *= 1 + STAKES * (value - rest)
        if (place + 1) % INTERVAL == 0 or place + 1 == len(values):
            best = max(best, wealth.mean())
    return math.log(best)


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=1, max_size=70), st.integers(1, 4))
def test_wealth_follows_its_definition_in_any_batches(hits: list[bool], cut: int) -> None:
    values = np.array(hits, dtype=float) - 0.5
    wealth = WealthProcess(100, *CENTRED)
    for part in filter(len, (values[: cut * INTERVAL], values[cut * INTERVAL :])):
        wealth.update(part[:, None])
    assert wealth.n_seen == len(hits)
    assert wealth.log_evidence_above[0] == pytest.approx(log_wealth(values, 100))
    assert wealth.log_evidence_below[0] == pytest.approx(log_wealth(-values, 100))


def test_a_true_hypothesis_is_rejected_with_probability_at_most_alpha() -> None:
    """The mean is exactly 0, the hardest case; the wealth is evaluated after every batch."""
    rng = np.random.default_rng(0)
    rejected = np.zeros(2)
    for _ in range(300):
        values = rng.permutation(np.repeat([-0.5, 0.5], 300))[:500]
        wealth = WealthProcess(600, *CENTRED)
        wealth.update(values[:, None])
        rejected += [
            wealth.log_evidence_above[0] >= math.log(10),
            wealth.log_evidence_below[0] >= math.log(10),
        ]
    assert (rejected / 300 < 0.1 + 3 * math.sqrt(0.09 / 300)).all()
    assert (rejected > 0).all()  # it does bet


def test_an_impossible_mean_is_rejected_for_certain() -> None:
    wealth = WealthProcess(4, *CENTRED)
    wealth.update(np.array([[0.5], [0.5]]))
    assert wealth.log_evidence_above[0] < math.inf  # two misses would make the mean 0
    wealth.update(np.array([[0.5], [-0.5]]))
    assert wealth.log_evidence_above[0] == math.inf
    assert wealth.log_evidence_below[0] < math.inf


def test_the_last_images_of_a_set_count_more_than_with_replacement() -> None:
    values = np.tile([0.5, 0.5, 0.5, -0.5], 25)[:, None]
    nearly_whole, infinite = WealthProcess(110, *CENTRED), WealthProcess(10**9, *CENTRED)
    for wealth in (nearly_whole, infinite):
        wealth.update(values)
    assert nearly_whole.log_evidence_above[0] > infinite.log_evidence_above[0] + 3


@pytest.mark.parametrize("p", [0.3, 0.62, 0.8])
def test_on_infinite_sets_it_rejects_about_when_ville_does(p: float) -> None:
    """`ville` bets with replacement and plug-in stakes; the hypothesis is a mean of at most 0.5."""
    rng = np.random.default_rng(3)
    ours, theirs = [], []
    for _ in range(20):
        values = (rng.random(3000) < p).astype(float)
        reference = BettingTest(0.5, alternative="greater", alpha=0.05)
        theirs.append(reference.fit(values).stopping_time() or 3000)
        wealth, stopped = WealthProcess(10**9, *CENTRED), 3000
        for place in range(0, 3000, 5):
            wealth.update(values[place : place + 5, None] - 0.5)
            if wealth.log_evidence_above[0] >= math.log(20):
                stopped = wealth.n_seen
                break
        ours.append(stopped)
    if p < 0.5:
        assert min(ours) == min(theirs) == 3000
    else:
        assert 0.4 < np.mean(ours) / np.mean(theirs) < 2


def test_its_limits_are_close_to_those_of_ville() -> None:
    rng = np.random.default_rng(5)
    values = (rng.random(2000) < 0.7).astype(float)
    reference = BettingCS(alpha=0.05, grid=1001)
    reference.fit(values)
    claims = np.linspace(0, 1, 1001)
    wealth = WealthProcess(10**9, -claims, 1 - claims)
    for start in range(0, 2000, 200):
        wealth.update(values[start : start + 200, None] - claims)
    low = claims[wealth.log_evidence_above >= math.log(40)].max()
    high = claims[wealth.log_evidence_below >= math.log(40)].min()
    assert low < 0.7 < high
    assert low == pytest.approx(reference.lower_[-1], abs=0.02)
    assert high == pytest.approx(reference.upper_[-1], abs=0.02)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_a_higher_claim_is_never_rejected_before_a_lower_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    denominators = (rng.random(200) < 0.8).astype(float)
    numerators = (rng.random(200) < 0.5 * denominators).astype(float)
    claims = np.linspace(0, 1.2, 25)
    wealth = WealthProcess(230, -claims, np.ones(25))
    wealth.update(numerators[:, None] - denominators[:, None] * claims)
    assert (np.diff(np.minimum(wealth.log_evidence_above, 1e9)) <= 1e-9).all()
    assert (np.diff(np.minimum(wealth.log_evidence_below, 1e9)) >= -1e-9).all()
