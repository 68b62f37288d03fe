"""The corruptions as they were computed before they were made faster, for a comparison of their pixels."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.suites.corruptions.blur import _disc, _Line, _line, middle_slice
from quba_check.suites.corruptions.filters import _steps
from quba_check.suites.corruptions.frost_texture import N_TEXTURES
from quba_check.suites.corruptions.strength import Image, Image8, Plane, Strength
from quba_check.suites.corruptions.weather import _texture_for

Float32 = NDArray[np.float32]


def to_float64(image: Image8) -> Image:
    return image / 255.0


def to_float32(image: Image8) -> NDArray[np.float32]:
    return np.asarray(image.astype(np.float32) / np.float32(255), dtype=np.float32)


def to_uint8(image: NDArray[np.floating]) -> Image8:
    return np.asarray(np.clip(image, 0, 1) * image.dtype.type(255)).astype(np.uint8)


_BAND = 32


def motion_filter(image: Image, radius: int, sigma: float, degrees: float) -> Image:
    height, width = image.shape[:2]
    length = 2 * radius + 1
    weights = np.exp(-(np.arange(length) ** 2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    weights /= np.sum(weights)
    steps = _steps(length, degrees)
    outside = np.flatnonzero((np.abs(steps) >= (height, width)).any(axis=1))
    steps = steps[: outside[0]] if len(outside) else steps
    reach = int(np.abs(steps).max())
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REPLICATE).astype(np.float64)
    total = np.zeros(image.shape)
    for first in range(0, height, _BAND):
        band = total[first : first + _BAND]
        term = np.empty_like(band)
        for weight, (down, right) in zip(weights, steps, strict=False):
            top, left = first + reach - down, reach - right
            np.multiply(padded[top : top + len(band), left : left + width], weight, out=term)
            band += term
    return total


def defocus_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    radius, soft = strength.parameters(
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    )
    return to_uint8(np.asarray(cv2.filter2D(to_float64(image), -1, _disc(radius, soft)), dtype=np.float64))


def glass_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    sigma, reach, rounds = strength.parameters(
        ((0.05, 1, 1), (0.25, 1, 2), (0.25, 2, 1), (0.4, 2, 2), (0.4, 3, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    )
    height, width = image.shape[:2]
    rows, columns = max(height - 2 * reach, 0), max(width - 2 * reach, 0)
    offsets = rng.integers(-reach, reach, size=(rounds, rows, columns, 2), dtype=np.int8)
    return shuffle_pixels(image, sigma, reach, offsets)


def shuffle_pixels(image: Image8, sigma: float, reach: int, offsets: NDArray[np.integer]) -> Image8:

    def blur(pixels: Image8) -> Image8:
        return to_uint8(scipy.ndimage.gaussian_filter(to_float64(pixels), sigma, mode="nearest", axes=(0, 1)))

    height, width = image.shape[:2]
    source = np.arange(height * width)
    for moves in offsets:
        source = source[pixel_sources(height, width, reach, moves)]
    return blur(blur(image).reshape(-1, 3)[source].reshape(image.shape))


def pixel_sources(height: int, width: int, reach: int, moves: NDArray[np.integer]) -> NDArray[np.intp]:
    pixels = np.arange(height * width).reshape(height, width)
    inner = slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1)
    neighbour = pixels.copy()
    neighbour[inner] += moves[::-1, ::-1, 1].astype(np.intp) * width + moves[::-1, ::-1, 0]
    has_moved = np.zeros((height, width), dtype=bool)
    has_moved[inner] = True
    own, moved = pixels.reshape(-1), neighbour.reshape(-1)
    source = np.where((moved > own) & has_moved.reshape(-1)[moved], moved, own)
    while True:
        further = source[source]
        if np.array_equal(further, source):
            return np.asarray(moved[source], dtype=np.intp)
        source = further


def motion_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    radius, sigma = strength.parameters(
        ((6, 1), (6, 1.5), (6, 2), (8, 2.5), (9, 3)), ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
    )
    blurred = motion_filter(image.astype(np.float64), radius, sigma, rng.uniform(-45, 45))
    return np.clip(blurred, 0, 255).astype(np.uint8)


def zoom_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    stop, step = strength.parameters(
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    )
    factors = np.arange(1, stop, step)
    values = to_float32(image)
    height, width = image.shape[:2]
    total = np.zeros_like(values)
    for factor in factors:
        middle = values[middle_slice(height, factor), middle_slice(width, factor)]
        total += enlarge(middle, float(factor))[:height, :width]
    return to_uint8((values + total) / np.float32(len(factors) + 1))


def enlarge(middle: NDArray[np.floating], factor: float) -> NDArray[np.floating]:
    for axis in (0, 1):
        middle = _interpolate(middle, _line(middle.shape[axis], factor), axis)
    return middle


def _interpolate(image: NDArray[np.floating], line: _Line, axis: int) -> NDArray[np.floating]:
    first, second = image.take(line.first, axis=axis), image.take(line.second, axis=axis)
    # Two-dimensional, so that weights are applied to contiguous rows and not in steps of three channels.
    rows = second.reshape(len(second), -1)
    weight = line.weight.astype(image.dtype)
    # The difference first: a flat region stays exactly what it is.
    second -= first
    rows *= weight[:, None] if axis == 0 else weight.repeat(rows.shape[1] // len(weight))
    second += first
    second[(slice(None),) * axis + (line.outside,)] = 0
    return second


_LARGEST_STEP = 100.0


def plasma(shape: tuple[int, int], decay: float, rng: np.random.Generator) -> Plane:
    side = 1 << (max(shape) - 1).bit_length()
    field = np.zeros((1, 1))
    step = _LARGEST_STEP
    while field.shape[0] < side:
        field = _refine(field, step, rng)
        step /= decay
    field -= field.min()
    field /= field.max() or 1.0
    return field[: shape[0], : shape[1]]


def _refine(field: Plane, step: float, rng: np.random.Generator) -> Plane:
    count = field.shape[0]

    def offset() -> Plane:
        return step * rng.uniform(-step, step, size=(count, count))

    pairs = field + np.roll(field, -1, axis=0)
    centre = (pairs + np.roll(pairs, -1, axis=1)) / 4 + offset()
    fine = np.empty((2 * count, 2 * count))
    fine[::2, ::2] = field
    fine[1::2, 1::2] = centre
    fine[::2, 1::2] = (
        (centre + np.roll(centre, 1, axis=0)) + (field + np.roll(field, -1, axis=1))
    ) / 4 + offset()
    fine[1::2, ::2] = (
        (centre + np.roll(centre, 1, axis=1)) + (field + np.roll(field, -1, axis=0))
    ) / 4 + offset()
    return fine


def snow(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    mean, spread, zoom, threshold, radius, sigma, colour = strength.parameters(
        (
            (0.1, 0.2, 1.0, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1.0, 0.5, 10, 4, 0.9),
            (0.2, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        (
            (0.1, 0.3, 3.0, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2.0, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4.0, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    )
    height, width = image.shape[:2]
    rows, columns = middle_slice(height, zoom), middle_slice(width, zoom)
    # Only the middle of the layer is visible after the zoom.
    drops = rng.normal(mean, spread, size=(rows.stop - rows.start, columns.stop - columns.start))
    flakes = enlarge(drops, zoom)
    flakes[flakes < threshold] = 0
    layer = motion_filter(np.clip(flakes, 0, 1), radius, sigma, rng.uniform(-135, -45))
    return add_snow(image, np.round(layer[:height, :width] * 255).astype(np.uint8), colour)


def add_snow(image: Image8, layer: NDArray[np.uint8], colour: float) -> Image8:

    def to_rgb(plane: Plane) -> Image:
        return np.asarray(cv2.merge([plane, plane, plane]))

    values = to_float32(image)
    grey = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY) * np.float32(1.5) + np.float32(0.5)
    white = np.maximum(values, to_rgb(grey))
    whitened = np.float32(colour) * values + np.float32(1 - colour) * white
    flakes = to_rgb(layer / 255.0)
    return to_uint8(whitened + flakes + flakes[::-1, ::-1])


def frost(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    scene_weight, ice_weight = strength.parameters(
        ((1, 0.2), (1, 0.3), (0.9, 0.45), (0.85, 0.55), (0.8, 0.65)),
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    )
    height, width = image.shape[:2]
    texture = _texture_for(int(rng.integers(N_TEXTURES)), height, width)
    top, left = (int(rng.integers(texture.shape[axis] - image.shape[axis])) for axis in (0, 1))
    return add_frost(image, texture[top : top + height, left : left + width], scene_weight, ice_weight)


def add_frost(image: Image8, ice: Image8, scene_weight: float, ice_weight: float) -> Image8:
    total = scene_weight * image.astype(np.float64) + ice_weight * ice.astype(np.float64)
    return np.clip(total, 0, 255).astype(np.uint8)


def fog(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    density, decay = strength.parameters(
        ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)),
        ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
    )
    values = to_float64(image)
    brightest = values.max()
    values += density * plasma(image.shape[:2], decay, rng)[..., None]
    values *= brightest
    values /= brightest + density
    return to_uint8(values)


def brightness(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    increase = strength.parameters((0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5))
    largest = np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])
    position = (largest.astype(np.uint16) << 8)[..., None] | image
    return _brightness_table(increase).take(position)


@lru_cache(maxsize=16)
def _brightness_table(increase: float) -> NDArray[np.uint8]:
    value = to_float64(np.arange(256, dtype=np.uint8))
    largest = value[:, None]
    raised = np.clip(largest + increase, 0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        saturation = np.where(largest > 0, (largest - value) / largest, 0)
    return to_uint8(raised * (1 - saturation)).reshape(-1)


def gaussian_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    scale = strength.parameters((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38))
    return to_uint8(to_float64(image) + rng.normal(size=image.shape, scale=scale))


def shot_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    photons = strength.parameters((500, 250, 100, 75, 50), (60, 25, 12, 5, 3))
    return to_uint8(rng.poisson(to_float64(image) * photons) / float(photons))


def impulse_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    share = strength.parameters((0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27))
    is_hit = rng.random(image.shape) <= share
    is_salt = rng.random(image.shape) <= 0.5
    # Saved values are truncated, and k / 255 · 255 falls short of k for some k.
    noisy = _SAVED[image]
    noisy[is_hit] = is_salt[is_hit] * np.uint8(255)
    return noisy


_SAVED = to_uint8(to_float64(np.arange(256, dtype=np.uint8)))

_LEVELS = to_float64(np.arange(256, dtype=np.uint8)).reshape(1, 256, 1)


def contrast(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    factor = strength.parameters((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05))
    mean = to_float64(image).mean(axis=(0, 1), keepdims=True)
    table = to_uint8((_LEVELS - mean) * factor + mean)
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def elastic_transform(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    smooth, push, times = strength.parameters(
        ((0.04, 0.02, 6.0), (0.04, 0.02, 9.0), (0.04, 0.02, 12.0), (0.04, 0.02, 15.0), (0.04, 0.02, 18.0)),
        (
            (0.01, 0.005, 12.5),
            (0.01, 0.005, 16.25),
            (0.01, 0.005, 21.25),
            (0.01, 0.005, 25.0),
            (0.01, 0.005, 30.0),
        ),
    )
    height, width = image.shape[:2]
    push *= height

    def displacement() -> Float32:
        field = rng.uniform(-push, push, size=(height, width))
        smoothed: NDArray[np.float64] = scipy.ndimage.gaussian_filter(
            field, (height * smooth, width * smooth), truncate=3.0
        )
        return (smoothed * times).astype(np.float32)

    across, down = displacement(), displacement()
    return to_uint8(warp(image, down, across))


def warp(image: Image8, down: Float32, across: Float32) -> Float32:
    height, width = image.shape[:2]
    reach = int(np.ceil(max(np.abs(down).max(), np.abs(across).max()))) + 1
    planes = cv2.split(cv2.copyMakeBorder(to_float32(image), reach, reach, reach, reach, cv2.BORDER_REFLECT))
    y = np.arange(reach, reach + height, dtype=np.float64)[:, None] + down
    x = np.arange(reach, reach + width, dtype=np.float64) + across
    row, column = np.floor(y), np.floor(x)
    below, right = (y - row).astype(np.float32), (x - column).astype(np.float32)
    stride = planes[0].shape[1]
    position = (row * stride + column).astype(np.intp)
    corners = (position, position + 1, position + stride, position + stride + 1)

    def interpolate(plane: Float32) -> Float32:
        # In place, without temporary arrays.
        top, top_right, bottom, bottom_right = (plane.take(corner) for corner in corners)
        top_right -= top
        top_right *= right
        top += top_right
        bottom_right -= bottom
        bottom_right *= right
        bottom += bottom_right
        bottom -= top
        bottom *= below
        top += bottom
        return np.asarray(top, dtype=np.float32)

    return np.asarray(cv2.merge([interpolate(plane) for plane in planes]))


FORMER = {
    function.__name__: function
    for function in (
        gaussian_noise,
        shot_noise,
        impulse_noise,
        defocus_blur,
        glass_blur,
        motion_blur,
        zoom_blur,
        snow,
        frost,
        fog,
        brightness,
        contrast,
        elastic_transform,
    )
}
"""By name; pixelate and jpeg_compression call Pillow, then as now."""
