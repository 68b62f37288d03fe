"""`mixed_same` and `mixed_rand` of a suite's own: its objects before backgrounds of other images."""

from quba_check.suites.object_focus.boxes import BoxFile
from quba_check.suites.object_focus.making import Made, make_object_focus
from quba_check.suites.object_focus.masks import MaskFolder

__all__ = ["BoxFile", "Made", "MaskFolder", "make_object_focus"]
