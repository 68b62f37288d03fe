"""One image of the demonstration from its factors: shape, texture, background and style."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from quba_check.demo import CLASSES, IMAGE_SIZE
from quba_check.demo.shapes import Plane, Points, Pose, coverage, lines, placed
from quba_check.demo.surfaces import Picture, backdrop, mixed, pattern, rgb, two_colours

Style = Literal["natural", "sketch", "edge", "silhouette", "stylized", "negative"]
STYLES: tuple[Style, ...] = get_args(Style)


@dataclass(frozen=True, slots=True, eq=False)
class Rendition:
    """An image and where its object is.

    Attributes:
        image: (S, S, 3) uint8.
        mask: (S, S) float32, the share of each pixel that the object covers.
    """

    image: NDArray[np.uint8]
    mask: Plane


def rendition(
    seed: int, index: int, shape: str, texture: str, background: str | None, style: Style = "natural"
) -> Rendition:
    """Draw one image.

    Pose, texture and background are drawn from streams of their own, so that two images of the same seed and
    index that differ in one factor share everything else: the mixed sets show the same object on two
    backgrounds.

    Args:
        seed: names a family of images.
        index: which image of it.
        shape: class whose shape is drawn.
        texture: class whose texture fills it.
        background: class whose background is behind it; None for a plain grey one.
        style: `natural`: shape in texture on background; `negative`: the same with inverted colours;
            `stylized`: shape and surroundings each in the pattern of some other class; `silhouette`: black on
            white; `edge`: its outline in black on white; `sketch`: pencil on paper. The last three show
            neither texture nor background.

    Returns:
        The image and the mask of its object.

    >>> rendition(0, 0, "star", "disc", None).image.shape
    (48, 48, 3)
    """
    of_pose, of_texture, of_background, of_style = (
        np.random.default_rng([seed, index, stream]) for stream in range(4)
    )
    contours = placed(shape, Pose.drawn_from(of_pose))
    mask = coverage(contours)
    match style:
        case "silhouette":
            picture = _on_white(mask)
        case "edge":
            picture = _on_white(lines(contours, 1.3))
        case "sketch":
            picture = _sketch(contours, mask, of_style)
        case "stylized":
            picture = _stylized(mask, (shape, texture), of_style)
        case "natural" | "negative":
            surface = mixed(pattern(texture, of_texture), *two_colours(of_texture))
            picture = mixed(mask, surface, backdrop(background, of_background))
            if style == "negative":
                picture = 1 - picture
    return Rendition(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8), mask)


def _on_white(ink: Plane) -> Picture:
    return np.repeat(1 - ink[..., None], 3, axis=2)


def _sketch(contours: tuple[Points, ...], mask: Plane, rng: np.random.Generator) -> Picture:
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
    return mixed(ink.astype(np.float32), rgb(0.6, 0.1, 0.2), rgb(0.11, 0.06, 0.94)) - 0.06 * grain[..., None]


def _tremor(count: int, rng: np.random.Generator) -> Points:
    """A wobble of about a pixel that closes on itself."""
    amplitude, phase = rng.random((2, 3, 2))
    turn = 2 * np.pi * np.arange(count)[:, None] / count
    wobble = np.zeros((count, 2))
    for k in range(3):
        wobble += amplitude[k] * np.sin((k + 1) * turn + 2 * np.pi * phase[k])
    return wobble * 0.7


def _stylized(mask: Plane, avoid: tuple[str, ...], rng: np.random.Generator) -> Picture:
    others = [name for name in CLASSES if name not in avoid]
    inside, outside = (others[int(pick * len(others))] for pick in rng.random(2))
    bright, dark = two_colours(rng)
    # Object and surroundings are painted with little contrast each, the one bright and the other dark.
    near, far = (bright, dark) if rng.random() < 0.5 else (dark, bright)
    step = (far - near) * np.float32(0.22)
    painted = mixed(pattern(inside, rng), near, near + step)
    return mixed(mask, painted, mixed(pattern(outside, rng), far, far - step))
