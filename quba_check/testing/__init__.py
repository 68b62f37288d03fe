"""Property tests of a model: perturbations, synthetic images, hypothesis strategies, rates.

The strategies load on first use, since they alone need hypothesis. Names are imported as themselves, which
makes them public for type checkers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from quba_check.testing.images import Gradient as Gradient
from quba_check.testing.images import Picture as Picture
from quba_check.testing.images import Pictures as Pictures
from quba_check.testing.images import Plain as Plain
from quba_check.testing.images import Static as Static
from quba_check.testing.perturbations import Blur as Blur
from quba_check.testing.perturbations import Brightness as Brightness
from quba_check.testing.perturbations import Chain as Chain
from quba_check.testing.perturbations import Contrast as Contrast
from quba_check.testing.perturbations import Corruption as Corruption
from quba_check.testing.perturbations import HorizontalFlip as HorizontalFlip
from quba_check.testing.perturbations import Jpeg as Jpeg
from quba_check.testing.perturbations import Noise as Noise
from quba_check.testing.perturbations import Perturbation as Perturbation
from quba_check.testing.perturbations import Rotation as Rotation
from quba_check.testing.perturbations import Shift as Shift
from quba_check.testing.perturbations import Zoom as Zoom
from quba_check.testing.rates import Share as Share
from quba_check.testing.rates import share_changed as share_changed
from quba_check.testing.rates import share_of as share_of

if TYPE_CHECKING:
    from quba_check.testing.strategies import blurs as blurs
    from quba_check.testing.strategies import brightnesses as brightnesses
    from quba_check.testing.strategies import chains as chains
    from quba_check.testing.strategies import contrasts as contrasts
    from quba_check.testing.strategies import corruptions as corruptions
    from quba_check.testing.strategies import flips as flips
    from quba_check.testing.strategies import jpegs as jpegs
    from quba_check.testing.strategies import noises as noises
    from quba_check.testing.strategies import rotations as rotations
    from quba_check.testing.strategies import shifts as shifts
    from quba_check.testing.strategies import suite_images as suite_images
    from quba_check.testing.strategies import synthetic_images as synthetic_images
    from quba_check.testing.strategies import zooms as zooms


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        strategies = import_module("quba_check.testing.strategies")
        if hasattr(strategies, name):
            return getattr(strategies, name)
    raise AttributeError(f"module 'quba_check.testing' has no attribute '{name}'")
