"""The embedded demo: a procedural suite and two small models. This module imports no torch."""

from __future__ import annotations

DEMO_MODELS = ("demo", "demo-textured")
"""Specs of the shipped models: one learned shapes, the other textures and backgrounds."""

CLASSES = ("arrow", "crescent", "cross", "disc", "heart", "hourglass", "ring", "square", "star", "triangle")
"""The classes: ten shapes, each with its own texture and background."""

IMAGE_SIZE = 48
"""Side of every image, in pixels."""

__all__ = ["CLASSES", "DEMO_MODELS", "IMAGE_SIZE"]
