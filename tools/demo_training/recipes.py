"""Training recipes of the two shipped models and the variants of the population."""

from __future__ import annotations

from dataclasses import dataclass

from tools.demo_training.worlds import World


@dataclass(frozen=True, slots=True)
class Recipe:
    """Training settings of a model.

    Attributes:
        name: of the model and its file.
        world: distribution of its training images.
        steps: number of batches.
        width: see `DemoNetwork`.
        radius: L∞ radius, in steps of 1/255, of the attack on half of each batch; 0 for none.
        smoothing: of the labels.
        seed: of weights and images.
    """

    name: str
    world: World
    steps: int = 400
    width: int = 16
    radius: float = 0.0
    smoothing: float = 0.0
    seed: int = 1


_SHAPES = World(plain=0.1, variety=0.6)
_TEXTURES = World(shape=0.5, texture=0.93, background=0.9, plain=0.3, variety=0.0)
"""Texture and background predict the class almost always, the shape in only half of the images."""

SHIPPED = (Recipe("demo", _SHAPES, steps=800, radius=5), Recipe("demo-textured", _TEXTURES))

VARIANTS = (
    Recipe("shapes", _SHAPES),
    Recipe("shapes-natural", World(variety=0.0)),
    Recipe("shapes-varied", World(plain=0.1, variety=1.0), steps=600),
    Recipe("shapes-robust", _SHAPES, steps=800, radius=8),
    Recipe("shapes-smoothed", _SHAPES, smoothing=0.15, seed=2),
    Recipe("shapes-narrow", _SHAPES, width=8, steps=600),
    Recipe("shapes-slim", World(plain=0.1, variety=0.3), width=12, steps=500),
    Recipe("shapes-wide", _SHAPES, width=24, seed=3),
    Recipe("leaning", World(texture=0.5, background=0.5, plain=0.1, variety=0.3), seed=4),
    Recipe(
        "leaning-wide",
        World(texture=0.7, background=0.3, plain=0.1, variety=0.3),
        width=24,
        steps=300,
        seed=5,
    ),
    Recipe("leaning-narrow", World(texture=0.4, background=0.7, plain=0.2, variety=0.3), width=8, seed=6),
    Recipe("mixed", World(shape=0.9, texture=0.8, background=0.8, plain=0.2, variety=0.1), seed=7),
    Recipe(
        "mixed-varied",
        World(shape=0.9, texture=0.9, background=0.6, plain=0.2, variety=0.6),
        width=20,
        seed=8,
    ),
    Recipe(
        "textures", World(shape=0.6, texture=0.95, background=0.5, plain=0.3, variety=0.0), width=12, seed=9
    ),
    Recipe(
        "backgrounds",
        World(shape=0.6, texture=0.6, background=0.95, plain=0.1, variety=0.0),
        width=20,
        seed=10,
    ),
    Recipe("textured-robust", _TEXTURES, radius=4, seed=11),
)
"""From models of shape alone to models without it, of different width, variety and robustness."""
