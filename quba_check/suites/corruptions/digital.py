"""Digital: contrast, elastic transform, pixelate, JPEG compression; extra: saturation."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from quba_check.suites.corruptions.blur import EPSILON, filtered_middles, gaussian_kernel, rounded, windows_at
from quba_check.suites.corruptions.strength import LEVELS, Image8, Strength, to_float32, to_float64, to_uint8

Float32 = NDArray[np.float32]


def contrast(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Values pulled towards the mean of each channel."""
    factor = strength.parameters((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05))
    pixels = image.size // 3

    def table(mean: NDArray[np.floating]) -> Image8:
        return to_uint8((LEVELS[None, :, None] - mean) * factor + mean)

    def exact(positions: NDArray[np.intp]) -> Image8:
        # The sums of numpy's mean in less time: one pixel after another.
        mean = np.einsum("ij->j", to_float64(image).reshape(-1, 3)) / pixels
        return table(mean).reshape(-1)[positions]

    mean = np.divide(cv2.sumElems(image)[:3], 255 * pixels)
    return np.asarray(cv2.LUT(image, rounded(mean, (pixels + 16) * EPSILON, table, exact)), dtype=np.uint8)


def elastic_transform(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Small regions stretched: pixels move by random distances that change smoothly."""
    smooth, push = (0.04, 0.02) if strength.is_small else (0.01, 0.005)
    times = strength.parameters((6.0, 9.0, 12.0, 15.0, 18.0), (12.5, 16.25, 21.25, 25.0, 30.0))
    height, width = image.shape[:2]
    push *= height
    kernels = [gaussian_kernel(side * smooth, 3.0) for side in (height, width)]
    size = len(kernels[0]), len(kernels[1])

    def scaled(field: NDArray[np.floating]) -> Float32:
        return (field * times).astype(np.float32)

    def displacement() -> Float32:
        noise = rng.uniform(-push, push, size=(height, width))

        def exact(positions: NDArray[np.intp]) -> Float32:
            windows = windows_at(positions, noise, size, cv2.BORDER_REFLECT)
            return scaled(filtered_middles(windows, kernels))

        estimate = cv2.sepFilter2D(noise, -1, kernels[1], kernels[0], borderType=cv2.BORDER_REFLECT)
        return rounded(estimate, (sum(size) + 4) * EPSILON * push, scaled, exact)

    across = displacement()
    down = displacement()
    return to_uint8(warp(image, down, across))


def warp(image: Image8, down: Float32, across: Float32) -> Float32:
    """Give every pixel the value of another place, by linear interpolation; edges are mirrored.

    Args:
        image: (H, W, 3) uint8.
        down: (H, W), pixels from a pixel down to its source.
        across: (H, W), pixels from a pixel to the right to its source.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    height, width = image.shape[:2]
    reach = int(np.ceil(max(np.abs(down).max(), np.abs(across).max()))) + 1
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REFLECT)
    # A pixel of four values is taken at once as a complex number of the same size.
    pixels = cv2.cvtColor(to_float32(padded), cv2.COLOR_RGB2RGBA).view(np.complex128).reshape(-1)
    rows, columns = (np.arange(reach, reach + size, dtype=np.float64) for size in (height, width))
    step = padded.shape[1]
    warped = np.empty(image.shape, np.float32)
    # Few rows at once, which stay in the processor's cache.
    for band in (slice(top, top + 56) for top in range(0, height, 56)):
        y, x = down[band] + rows[band, None], across[band] + columns
        above = np.floor(y)
        left = np.floor(x)
        rest = (y - above).astype(np.float32), (x - left).astype(np.float32)
        below, right = (cv2.cvtColor(share, cv2.COLOR_GRAY2RGBA) for share in rest)
        first = (above * step + left).astype(np.intp)
        corners = (pixels[offset:].take(first) for offset in (0, 1, step, step + 1))
        top_left, top_right, bottom_left, bottom_right = (
            corner.view(np.float32).reshape(right.shape) for corner in corners
        )
        mixed = _mixed(_mixed(top_left, top_right, right), _mixed(bottom_left, bottom_right, right), below)
        cv2.cvtColor(mixed, cv2.COLOR_RGBA2RGB, dst=warped[band])
    return warped


def _mixed(first: Float32, second: Float32, share: Float32) -> Float32:
    """Return values mixed with a share of second ones, which are overwritten."""
    second -= first
    second *= share
    second += first
    return second


def pixelate(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Averaged down to fewer pixels and enlarged again without smoothing."""
    factor = strength.parameters((0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25))
    height, width = image.shape[:2]
    size = (max(1, int(width * factor)), max(1, int(height * factor)))
    reduced = Pillow.fromarray(image).resize(size, Pillow.Resampling.BOX)
    return np.array(reduced.resize((width, height), Pillow.Resampling.NEAREST))


def jpeg_compression(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Saved as JPEG at a low quality."""
    return jpeg_round_trip(image, strength.parameters((80, 65, 58, 50, 40), (25, 18, 15, 10, 7)))


def jpeg_round_trip(image: Image8, quality: int) -> Image8:
    """Save an image as JPEG (4:2:0) and read it again."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(Pillow.open(buffer))


def saturate(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Less or more saturation (HSV) at the same hue and value; grey is red."""
    factor, increase = strength.parameters(
        ((0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)),
        ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)),
    )
    values = to_float64(image)
    largest = values.max(axis=2, keepdims=True)
    below = largest - values
    spread = below.max(axis=2, keepdims=True)
    saturation = spread / np.where(largest > 0, largest, 1.0)
    changed = np.clip(saturation * factor + increase, 0, 1) * largest
    is_grey = spread == 0
    share = np.where(is_grey, [0.0, 1.0, 1.0], below / np.where(is_grey, 1.0, spread))
    return to_uint8(largest - share * changed)
