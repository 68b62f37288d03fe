"""hypothesis strategies: images of a suite, synthetic images, changes that should not change the answer.

All shrink to the simplest example: the first image of the set, the mildest change. hypothesis prints a change
as the code to create it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quba_check.core.view import CLEAN_SET, CORRUPTIONS
from quba_check.errors import UserError, extra_needed
from quba_check.testing import perturbations
from quba_check.testing.images import Gradient, Picture, Pictures, Plain, Static

with extra_needed("quba_check.testing.strategies", "hypothesis", UserError, extra="strategies"):
    from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from quba_check.suites.suite import Suite

SEEDS = st.integers(0, 2**32 - 1)


def suite_images(suite: Suite, set: str = CLEAN_SET) -> SearchStrategy[Picture]:  # noqa: A002
    """Labelled images of a set, decoded on draw.

    Args:
        suite: such as `quba.suite`.
        set: `clean`, a shift, `mixed_same`, …

    Raises:
        SuiteError: the suite has no such set.
    """
    pictures = Pictures(suite, set)
    return st.sampled_from(range(len(pictures))).map(pictures.__getitem__)


def synthetic_images(sides: tuple[int, int] = (1, 64)) -> SearchStrategy[Plain | Gradient | Static]:
    """Images of one colour, gradients and noise, with height and width within `sides`."""
    side = st.integers(*sides)
    colour = st.tuples(*[st.integers(0, 255)] * 3)
    return st.one_of(
        st.builds(Plain, side, side, colour),
        st.builds(Gradient, side, side, colour, colour),
        st.builds(Static, side, side, SEEDS),
    )


def flips() -> SearchStrategy[perturbations.HorizontalFlip]:
    """The horizontal flip."""
    return st.just(perturbations.HorizontalFlip())


def shifts(by: float = 0.1) -> SearchStrategy[perturbations.Shift]:
    """Shifts by at most this share of width and height, up to 0.5."""
    return st.builds(perturbations.Shift, _within(by), _within(by))


def rotations(degrees: float = 10) -> SearchStrategy[perturbations.Rotation]:
    """Rotations by at most this many degrees in either direction, up to 180."""
    return st.builds(perturbations.Rotation, _within(degrees))


def zooms(by: float = 0.1) -> SearchStrategy[perturbations.Zoom]:
    """Zooms in and out by at most this share, up to 0.5."""
    return st.builds(perturbations.Zoom, _within(by))


def brightnesses(by: float = 0.2) -> SearchStrategy[perturbations.Brightness]:
    """Changes of brightness by at most this share, up to 1."""
    return st.builds(perturbations.Brightness, _within(by))


def contrasts(by: float = 0.2) -> SearchStrategy[perturbations.Contrast]:
    """Changes of contrast by at most this share, up to 1."""
    return st.builds(perturbations.Contrast, _within(by))


def jpegs(quality: int = 50) -> SearchStrategy[perturbations.Jpeg]:
    """JPEG compression of at least this quality, 1 to 100."""
    return st.integers(0, 100 - quality).map(lambda loss: perturbations.Jpeg(100 - loss))


def noises(sigma: float = 0.05) -> SearchStrategy[perturbations.Noise]:
    """Gaussian noise of at most this standard deviation, in units of the range of values."""
    return st.builds(perturbations.Noise, st.floats(0, sigma), SEEDS)


def blurs(sigma: float = 1.0) -> SearchStrategy[perturbations.Blur]:
    """Gaussian blurs of at most this standard deviation, in pixels."""
    return st.builds(perturbations.Blur, st.floats(0, sigma))


def corruptions(*names: str, severity: int = 2) -> SearchStrategy[perturbations.Corruption]:
    """Common corruptions of at most this severity.

    Args:
        names: ImageNet-C names; without names, all fifteen.
        severity: the highest severity, 1 to 5.
    """
    return st.builds(
        perturbations.Corruption, st.sampled_from(names or CORRUPTIONS), st.integers(1, severity), SEEDS
    )


def chains(*changes: SearchStrategy[Any], most: int = 2) -> SearchStrategy[perturbations.Chain]:
    """Up to `most` changes, one after another.

    Args:
        changes: strategies of single changes; a chain has at most one change of each.
        most: largest number of changes.

    Raises:
        UserError: no changes are given.
    """
    if not changes:
        raise UserError(
            "no changes", where="chains", allowed="one strategy or more, such as flips(), rotations(5)"
        )
    numbers = st.lists(st.sampled_from(range(len(changes))), min_size=1, max_size=most, unique=True)
    return numbers.flatmap(lambda chosen: st.tuples(*(changes[number] for number in chosen))).map(
        perturbations.Chain
    )


def _within(largest: float) -> SearchStrategy[float]:
    return st.floats(-largest, largest)
