"""Labelled image sets: manifests, readers, label spaces, corruptions; from a view to its images."""

from quba_check.storage.file_digests import ContentDigests
from quba_check.suites.manifest.schema import suite_schema
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Example, SetCount, Suite

__all__ = ["ContentDigests", "Example", "SetCount", "Suite", "open_suite", "suite_schema"]
