"""hypothesis strategies: examples, shrinking, and whole tests with them."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from support.errors import error_text
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import UserError
from quba_check.suites import open_suite
from quba_check.testing import strategies
from quba_check.testing.images import Gradient, Plain, Static
from quba_check.testing.perturbations import Chain, Corruption, HorizontalFlip, Jpeg, Noise, Rotation, Shift


def test_images_shrink_to_the_first(tiny_data: Path) -> None:
    suite = open_suite(tiny_data)
    images = strategies.suite_images(suite)
    assert find(images, lambda _: True).name.endswith("apple/000.png")
    assert find(images, lambda picture: picture.label > 0).name.endswith("brick/000.png")
    night = find(strategies.suite_images(suite, "night"), lambda picture: picture.class_name == "cloud")
    assert night.name.endswith("night/cloud/000.png")


FOGS = strategies.corruptions("fog", "frost", severity=3)
CHAINS = strategies.chains(strategies.rotations(10), strategies.flips())


@pytest.mark.parametrize(
    ("changes", "condition", "mildest"),
    [
        (strategies.flips(), lambda _: True, HorizontalFlip()),
        (strategies.shifts(), lambda _: True, Shift(0.0, 0.0)),
        (strategies.rotations(10), lambda change: abs(change.degrees) >= 3, Rotation(3.0)),
        (strategies.jpegs(50), lambda change: change.quality <= 90, Jpeg(90)),
        (strategies.noises(), lambda _: True, Noise(0.0, 0)),
        (FOGS, lambda change: change.severity > 1, Corruption("fog", 2, 0)),
        (CHAINS, lambda change: len(change.steps) == 2, Chain((Rotation(0.0), HorizontalFlip()))),
    ],
)
def test_changes_shrink_to_the_mildest(changes, condition, mildest) -> None:
    assert find(changes, condition) == mildest


@settings(max_examples=30)
@given(st.data())
def test_changes_stay_within_their_bounds(data: st.DataObject) -> None:
    assert abs(data.draw(strategies.rotations(4)).degrees) <= 4
    assert abs(data.draw(strategies.zooms(0.1)).by) <= 0.1
    assert abs(data.draw(strategies.brightnesses(0.3)).by) <= 0.3
    assert abs(data.draw(strategies.contrasts(0.3)).by) <= 0.3
    assert 70 <= data.draw(strategies.jpegs(70)).quality <= 100
    assert 0 <= data.draw(strategies.blurs(2)).sigma <= 2
    chain = data.draw(strategies.chains(strategies.flips(), strategies.jpegs(), strategies.blurs(), most=2))
    kinds = [type(step) for step in chain.steps]
    assert 1 <= len(kinds) <= 2
    assert len(set(kinds)) == len(kinds)


@settings(max_examples=30)
@given(strategies.synthetic_images(sides=(3, 9)))
def test_synthetic_images_have_their_size(image: Plain | Gradient | Static) -> None:
    assert image.pixels.shape == (image.height, image.width, 3)
    assert image.pixels.dtype == "uint8"
    assert 3 <= min(image.pixels.shape[:2]) <= max(image.pixels.shape[:2]) <= 9
    assert (eval(repr(image)).pixels == image.pixels).all()  # noqa: S307


def test_synthetic_pixels() -> None:
    assert Plain(1, 2, (1, 2, 3)).pixels.tolist() == [[[1, 2, 3], [1, 2, 3]]]
    row = [[0, 0, 0], [5, 10, 128], [10, 20, 255]]
    assert Gradient(1, 3, (0, 0, 0), (10, 20, 255)).pixels.tolist() == [row]
    assert (Static(8, 8, 1).pixels != Static(8, 8, 2).pixels).mean() > 0.9


def test_no_changes(snapshot: SnapshotAssertion) -> None:
    assert error_text(UserError, strategies.chains) == snapshot


def test_without_hypothesis(snapshot: SnapshotAssertion) -> None:
    imports = "import quba_check.testing.rates, quba_check.testing.strategies"
    code = f"import sys; sys.modules['hypothesis'] = None; {imports}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.splitlines()[-1] == snapshot
