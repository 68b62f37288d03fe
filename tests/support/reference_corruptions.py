"""The functions of the package imagecorruptions-imaug, asked for the images that ours are compared with.

    pip install numba scikit-image
    pip install --no-deps imagecorruptions-imaug

It pulls a second OpenCV without `--no-deps`. Run as a program this module writes the golden images beside the
tests, so that these can be compared without the package.
"""

import warnings
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from quba_check.core.view import CORRUPTIONS
from quba_check.suites.corruptions import corrupt, weather

INSTALL = "pip install numba scikit-image && pip install --no-deps imagecorruptions-imaug"
GOLDEN = Path(__file__).parents[1] / "suites" / "corruptions" / "golden.npz"
GOLDEN_CASES = ((2, 66, 80), (5, 90, 65))
PANE = (400, 600)


class LegacyStream:
    """Stands in for a `numpy.random.Generator`; draws what imagecorruptions would, in its order.

    It reads numpy's global legacy generator, and sometimes draws more than is needed, or one by one.

    Args:
        seed: as given to `numpy.random.seed` before the other function is called.
        shape: (H, W) of the image; normal draws for a smaller plane are the middle of draws for all of it.
    """

    def __init__(self, seed: int, shape: tuple[int, int]) -> None:
        self._state = np.random.RandomState(seed)
        self._shape = shape
        self.uniform = self._state.uniform
        self.poisson = self._state.poisson

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> NDArray[np.float64]:
        if len(size) == 3:
            return self._state.normal(loc, scale, size)
        whole = self._state.normal(loc, scale, self._shape)
        top, left = ((full - part) // 2 for full, part in zip(self._shape, size, strict=True))
        return whole[top : top + size[0], left : left + size[1]]

    def standard_normal(self, size: Any) -> NDArray[np.float64]:
        return self.normal(size=size)

    def integers(self, low: int, high: int | None = None, size: Any = None, dtype: Any = None) -> Any:
        return self._state.randint(low, high, size)


def reference() -> ModuleType:
    """The package's module of functions; skips the test where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("imagecorruptions.corruptions", reason=f"needs: {INSTALL}")


def theirs(image: NDArray[np.uint8], name: str, severity: int, seed: int) -> NDArray[np.uint8]:
    """The package's answer, its frost photographs replaced by another picture."""
    functions = reference()
    # glass_blur and impulse_noise have generators of their own.
    own: dict[str, Any] = {"seed": seed} if name == "impulse_noise" else {}
    np.random.seed(seed)  # noqa: NPY002 - what it reads
    with (
        mock.patch.object(functions.cv2, "imread", return_value=scene(PANE)[..., ::-1].copy()),
        mock.patch.object(functions, "_shuffle_pixels_njit_glass_blur", _one_by_one),
    ):
        return np.uint8(getattr(functions, name)(Image.fromarray(image), severity, **own))


def ours(image: NDArray[np.uint8], name: str, severity: int, seed: int) -> NDArray[np.uint8]:
    """Our answer, given the same random stream and that picture for frost."""
    stream: Any = LegacyStream(seed, image.shape[:2])
    if name == "impulse_noise":
        stream = np.random.default_rng(seed)
    with (
        mock.patch.object(weather, "frost_texture", return_value=scene(PANE)),
        mock.patch.object(weather, "N_TEXTURES", 6),
    ):
        weather._texture_for.cache_clear()
        try:
            return corrupt(image, name, severity, stream)
        finally:
            weather._texture_for.cache_clear()


def scene(shape: tuple[int, int]) -> NDArray[np.uint8]:
    """An image with slopes, edges, flat and burnt-out regions, and noise."""
    height, width = shape
    rng = np.random.default_rng(shape)
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (height + width)], axis=2)
    image[: height // 3, : width // 3] = 255
    image[height // 2 :, : width // 4] = (200, 30, 90)
    image[height // 2 :, width - width // 4 :] = rng.integers(0, 256, (height - height // 2, width // 4, 3))
    return image.astype(np.uint8)


def _one_by_one(d0: int, d1: int, x: Any, c: tuple[float, int, int], seed: Any) -> Any:
    """The reference's shuffle without its compiler: the same loops on numpy's global generator."""
    _, reach, rounds = c
    for _ in range(rounds):
        for h in range(d0 - reach, reach, -1):
            for w in range(d1 - reach, reach, -1):
                right, down = np.random.randint(-reach, reach, size=(2,))  # noqa: NPY002
                x[h, w], x[h + down, w + right] = x[h + down, w + right], x[h, w]
    return x


def main() -> None:
    """Write the golden images."""
    cases = {
        f"{name}-{severity}-{height}x{width}": theirs(scene((height, width)), name, severity, severity)
        for name in CORRUPTIONS
        for severity, height, width in GOLDEN_CASES
    }
    np.savez_compressed(GOLDEN, **cases)


if __name__ == "__main__":
    main()
