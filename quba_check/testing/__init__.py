"""Property tests of a model: perturbations, synthetic images, hypothesis strategies, rates.

The strategies load on first use, since they alone need hypothesis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quba_check.testing.generated_images import Gradient, Plain, Static
from quba_check.testing.images import Picture, Pictures
from quba_check.testing.perturbations import (
    Blur,
    Brightness,
    Chain,
    Contrast,
    Corruption,
    HorizontalFlip,
    Jpeg,
    Noise,
    Perturbation,
    Rotation,
    Shift,
    Zoom,
)
from quba_check.testing.rates import Share, share_changed, share_of

if TYPE_CHECKING:
    from quba_check.testing.strategies import (
        blurs,
        brightnesses,
        chains,
        contrasts,
        corruptions,
        flips,
        jpegs,
        noises,
        rotations,
        shifts,
        suite_images,
        synthetic_images,
        zooms,
    )

__all__ = [
    "Blur",
    "Brightness",
    "Chain",
    "Contrast",
    "Corruption",
    "Gradient",
    "HorizontalFlip",
    "Jpeg",
    "Noise",
    "Perturbation",
    "Picture",
    "Pictures",
    "Plain",
    "Rotation",
    "Share",
    "Shift",
    "Static",
    "Zoom",
    "blurs",
    "brightnesses",
    "chains",
    "contrasts",
    "corruptions",
    "flips",
    "jpegs",
    "noises",
    "rotations",
    "share_changed",
    "share_of",
    "shifts",
    "suite_images",
    "synthetic_images",
    "zooms",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from quba_check.testing import strategies

        return getattr(strategies, name)
    raise AttributeError(f"module 'quba_check.testing' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
