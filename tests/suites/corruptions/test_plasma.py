import numpy as np
import pytest

from quba_check.suites.corruptions.frost_texture import plasma


def test_it_fills_its_range_and_is_smoother_with_decay() -> None:
    rough, smooth = (plasma((64, 64), decay, np.random.default_rng(0)) for decay in (1.5, 3.0))
    for field in (rough, smooth):
        assert field.min() == 0
        assert field.max() == pytest.approx(1)
    assert np.abs(np.diff(smooth)).mean() < np.abs(np.diff(rough)).mean()


def test_it_is_cut_to_any_size() -> None:
    assert plasma((48, 31), 2.0, np.random.default_rng(0)).shape == (48, 31)
    assert plasma((1, 1), 2.0, np.random.default_rng(0)).tolist() == [[0.0]]


def test_a_middle_is_the_mean_of_its_corners_and_an_offset() -> None:
    class Still:
        """Draws the lower end of every range once, then its middle."""

        first = True

        def uniform(self, low: float, high: float, size: tuple[int, int]) -> np.ndarray:
            value, self.first = (low if self.first else (low + high) / 2), False
            return np.full(size, value)

    # The corner 0, the middle 0 - 100 · 100, and the sides between them.
    expected = np.array([[1.0, 0.5], [0.5, 0.0]])
    assert plasma((2, 2), 2.0, Still()) == pytest.approx(expected)
