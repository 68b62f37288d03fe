"""Synthetic images as values; their repr describes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quba_check.testing.perturbations import Pixels

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Plain:
    """An image of one colour."""

    height: int
    width: int
    colour: Colour = (0, 0, 0)

    @property
    def pixels(self) -> Pixels:
        """(height, width, 3) uint8."""
        return np.full((self.height, self.width, 3), self.colour, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Gradient:
    """A gradient from one colour at the left to another at the right."""

    height: int
    width: int
    left: Colour = (0, 0, 0)
    right: Colour = (255, 255, 255)

    @property
    def pixels(self) -> Pixels:
        """(height, width, 3) uint8."""
        row = np.linspace(self.left, self.right, self.width)
        return np.repeat(np.rint(row)[None], self.height, axis=0).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Static:
    """An image of uniform noise."""

    height: int
    width: int
    seed: int = 0

    @property
    def pixels(self) -> Pixels:
        """(height, width, 3) uint8."""
        rng = np.random.default_rng(self.seed)
        return rng.integers(0, 256, (self.height, self.width, 3), dtype=np.uint8)
