"""Labelled image sets: manifests, readers, label spaces, corruptions; from a view to its images."""

from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Example, SetCount, Suite

__all__ = ["Example", "SetCount", "Suite", "open_suite"]
