import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.suites.corruptions.zoom import crop, zoomed


def test_the_middle_is_shown() -> None:
    assert crop(224, 1.0) == slice(0, 224)
    assert crop(224, 2.0) == slice(56, 168)
    assert crop(7, 2.0) == slice(1, 5)


def test_a_ramp_is_stretched_between_its_ends() -> None:
    ramp = np.broadcast_to(np.arange(40.0), (30, 40))
    wide = zoomed(np.ascontiguousarray(ramp), 1.25)
    assert wide.shape == (38, 50)
    assert wide[17] == pytest.approx(np.linspace(0, 39, 50))


def test_a_zoom_of_one_changes_nothing() -> None:
    image = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    assert np.array_equal(zoomed(image, 1.0), image)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 80), st.integers(1, 80), st.floats(1.0, 5.0))
def test_it_is_the_zoom_of_scipy(height: int, width: int, factor: float) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    image = np.random.default_rng(0).random((height, width))
    expected = ndimage.zoom(image, (factor, factor), order=1)
    assert zoomed(image, factor) == pytest.approx(expected, abs=1e-12)
