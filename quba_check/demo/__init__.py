"""The embedded demonstration: a procedural suite and two small models. Light: no torch, no drawing."""

from __future__ import annotations

DEMO_MODELS = ("demo", "demo-textured")
"""Specs of the shipped models: one sees shapes, the other learned textures and backgrounds instead."""

CLASSES = (
    "arrow",
    "crescent",
    "cross",
    "disc",
    "heart",
    "hourglass",
    "ring",
    "square",
    "star",
    "triangle",
)
"""The ten shapes, which are the classes. Each has a texture and a background of its own."""

IMAGE_SIZE = 48
"""Side of every image, in pixels."""

__all__ = ["CLASSES", "DEMO_MODELS", "IMAGE_SIZE"]
