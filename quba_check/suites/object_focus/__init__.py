"""The sets `mixed_same` and `mixed_rand`, made from a suite's clean images and their objects."""

from quba_check.suites.object_focus.making import MadeSets, make_object_focus
from quba_check.suites.object_focus.sources import BoxFile, MaskFolder

__all__ = ["BoxFile", "MadeSets", "MaskFolder", "make_object_focus"]
