"""Drawing of one demo image from shape, texture, background and style."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quba_check.demo import CLASSES, IMAGE_SIZE
from quba_check.demo.shapes import Plane, Points, Pose, coverage, lines, place_shape
from quba_check.demo.surfaces import ColourImage, backdrop, blend, pattern, rgb, two_colours

Style = Literal["natural", "sketch", "edge", "silhouette", "stylized", "negative"]


@dataclass(frozen=True, slots=True, eq=False)
class Rendition:
    """An image and the mask of its object.

    Attributes:
        image: (S, S, 3) uint8.
        mask: (S, S) float32 in [0, 1], coverage of each pixel by the object.
    """

    image: NDArray[np.uint8]
    mask: Plane


def rendition(
    seed: int, index: int, shape: str, texture: str, background: str | None, style: Style = "natural"
) -> Rendition:
    """Draw one image.

    Pose, texture and background have separate random streams. Two images of the same seed and index that
    differ in one factor share everything else: the mixed sets show the same object on two backgrounds.

    Args:
        seed: of a family of images.
        index: of the image in its family.
        shape: class of the shape.
        texture: class of the texture inside it.
        background: class of the background; None for plain grey.
        style: `natural`: shape with texture on background; `negative`: the same with inverted colours;
            `stylized`: shape and surroundings each in the pattern of another class; `silhouette`: black on
            white; `edge`: its outline in black on white; `sketch`: pencil on paper. The last three show
            neither texture nor background.

    Returns:
        The image and the mask of its object.

    >>> rendition(0, 0, "star", "disc", None).image.shape
    (48, 48, 3)
    """
    pose_rng, texture_rng, background_rng, style_rng = (
        np.random.default_rng([seed, index, stream]) for stream in range(4)
    )
    contours = place_shape(shape, Pose.random(pose_rng))
    mask = coverage(contours)
    match style:
        case "silhouette":
            picture = _on_white(mask)
        case "edge":
            picture = _on_white(lines(contours, 1.3))
        case "sketch":
            picture = _sketch(contours, mask, style_rng)
        case "stylized":
            picture = _stylize(mask, (shape, texture), style_rng)
        case "natural" | "negative":
            surface = blend(pattern(texture, texture_rng), *two_colours(texture_rng))
            picture = blend(mask, surface, backdrop(background, background_rng))
            if style == "negative":
                picture = 1 - picture
    return Rendition(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8), mask)


def _on_white(ink: Plane) -> ColourImage:
    return np.repeat(1 - ink[..., None], 3, axis=2)


def _sketch(contours: tuple[Points, ...], mask: Plane, rng: np.random.Generator) -> ColourImage:
    grain = rng.random((IMAGE_SIZE, IMAGE_SIZE)).astype(np.float32)
    ink = np.zeros_like(mask)
    for _ in range(2):
        shaken = tuple(points + _tremor(len(points), rng) for points in contours)
        ink = np.maximum(ink, lines(shaken, 0.8))
    period, phase, pressure = rng.random(3)
    ramp = np.arange(IMAGE_SIZE, dtype=np.float32)
    hatching = np.sin((ramp[None, :] + ramp[:, None]) * (2 * np.pi / (4.5 + 2 * period)) + 6 * phase)
    ink = np.maximum(
        ink * (0.75 + 0.25 * grain), mask * np.clip(hatching - 0.3, 0, 1) * (0.25 + 0.4 * pressure)
    )
    return blend(ink.astype(np.float32), rgb(0.6, 0.1, 0.2), rgb(0.11, 0.06, 0.94)) - 0.06 * grain[..., None]


def _tremor(count: int, rng: np.random.Generator) -> Points:
    """Return a closed wobble of about a pixel."""
    amplitude, phase = rng.random((2, 3, 2))
    turn = 2 * np.pi * np.arange(count)[:, None] / count
    wobble = np.zeros((count, 2))
    for k in range(3):
        wobble += amplitude[k] * np.sin((k + 1) * turn + 2 * np.pi * phase[k])
    return wobble * 0.7


def _stylize(mask: Plane, avoid: tuple[str, ...], rng: np.random.Generator) -> ColourImage:
    others = [name for name in CLASSES if name not in avoid]
    inside, outside = (others[int(pick * len(others))] for pick in rng.random(2))
    bright, dark = two_colours(rng)
    # Object and surroundings have little contrast each; one is bright, the other dark.
    near, far = (bright, dark) if rng.random() < 0.5 else (dark, bright)
    step = (far - near) * np.float32(0.22)
    painted = blend(pattern(inside, rng), near, near + step)
    return blend(mask, painted, blend(pattern(outside, rng), far, far - step))
