"""The ten shapes: contours, poses in the image, and coverage of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from quba_check.demo import IMAGE_SIZE

Points = NDArray[np.float64]
Plane = NDArray[np.float32]

OVERSAMPLING = 4
"""Shapes are drawn larger by this factor and averaged down, which antialiases them."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Position, size and rotation of a shape.

    Attributes:
        angle: rotation in radians, at most 0.35 in either direction.
        scale: half its size, as a share of half the image.
        shift: (x, y) from the image's centre to the shape's, as a share of half the image.
    """

    angle: float
    scale: float
    shift: tuple[float, float]

    @classmethod
    def random(cls, rng: np.random.Generator) -> Pose:
        """Return a random pose inside the image, except for some tips of corners."""
        angle, scale, x, y = rng.random(4)
        scale = 0.3 + 0.46 * scale
        room = 0.9 - scale
        return cls((angle - 0.5) * 0.7, scale, ((2 * x - 1) * room, (2 * y - 1) * room))


def _turns(count: int, start: float = -0.25) -> Points:
    return 2 * np.pi * (np.arange(count) / count + start)


def _on_circle(angles: Points, radius: float | Points = 1.0) -> Points:
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)


def _crescent() -> Points:
    outer = _on_circle(np.linspace(0.25 * np.pi, 1.75 * np.pi, 40))
    corner = np.sqrt(0.5)
    # The inner arc runs back from horn to horn; its centre is to the right of the outer one.
    centre = 0.45
    radius = np.hypot(corner - 0.45, corner)
    horn = np.arctan2(corner, corner - centre)
    inner = _on_circle(np.linspace(2 * np.pi - horn, horn, 40), radius) + np.array([centre, 0.0])
    points: Points = np.concatenate([outer, inner[1:-1]]) + np.array([0.1, 0.0])
    return points


def _heart() -> Points:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y - 2.5], axis=1) / 16.5


def _contours() -> dict[str, tuple[Points, ...]]:
    arm = 0.36
    quarter = np.array([(-arm, -1), (arm, -1), (arm, -arm)])
    turns = (np.array([[c, s], [-s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1)))
    arrow = [(0, -1), (0.85, -0.1), (arm, -0.1), (arm, 1), (-arm, 1), (-arm, -0.1), (-0.85, -0.1)]
    hourglass = [(-0.8, -1), (0.8, -1), (0.14, 0), (0.8, 1), (-0.8, 1), (-0.14, 0)]
    square = [(-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82)]
    star = _on_circle(_turns(10), np.where(np.arange(10) % 2, 0.45, 1.08))
    return {
        "arrow": (np.array(arrow, dtype=float),),
        "crescent": (_crescent(),),
        "cross": (np.concatenate([quarter @ turn for turn in turns]),),
        "disc": (_on_circle(_turns(48)) * 0.92,),
        "heart": (_heart(),),
        "hourglass": (np.array(hourglass, dtype=float),),
        "ring": (_on_circle(_turns(48)), _on_circle(_turns(48)) * 0.52),
        "square": (np.array(square),),
        "star": (star + np.array([0.0, 0.08]),),
        "triangle": (_on_circle(_turns(3), 1.12) + np.array([0.0, 0.22]),),
    }


CONTOURS = _contours()
"""Contours by shape in [-1, 1], y downwards: an outline, then its holes."""


def place_shape(shape: str, pose: Pose) -> tuple[Points, ...]:
    """Return the contours of a shape in a pose, in pixels."""
    cos = np.cos(pose.angle)
    sin = np.sin(pose.angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    half = IMAGE_SIZE / 2
    return tuple((points @ turn * pose.scale + pose.shift) * half + half for points in CONTOURS[shape])


def coverage(contours: tuple[Points, ...]) -> Plane:
    """Return the share of each pixel inside the contours.

    Returns:
        (S, S) float32 in [0, 1].
    """
    canvas, draw = _canvas()
    for depth, points in enumerate(contours):
        draw.polygon(_vertices(points), fill=255 if depth == 0 else 0)
    return _average(canvas)


def lines(contours: tuple[Points, ...], width: float) -> Plane:
    """Return the share of each pixel covered by a line along the contours.

    Args:
        contours: points in pixels.
        width: of the line, in pixels.

    Returns:
        (S, S) float32 in [0, 1].
    """
    canvas, draw = _canvas()
    for points in contours:
        closed = _vertices(np.concatenate([points, points[:2]]))
        draw.line(closed, fill=255, width=max(1, round(width * OVERSAMPLING)), joint="curve")
    return _average(canvas)


def _canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = Image.new("L", (IMAGE_SIZE * OVERSAMPLING,) * 2)
    return canvas, ImageDraw.Draw(canvas)


def _vertices(points: Points) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points * OVERSAMPLING - 0.5]


def _average(canvas: Image.Image) -> Plane:
    return np.asarray(canvas.reduce(OVERSAMPLING), dtype=np.float32) / np.float32(255)
