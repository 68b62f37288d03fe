"""Threshold files: strict YAML with line numbers → demands."""

from quba_check.demands.demand import Demand, QubaSettings, Thresholds
from quba_check.demands.profiles import DEMO_THRESHOLDS, display_name, find_thresholds, shipped_profiles
from quba_check.demands.reading import read_thresholds
from quba_check.demands.schema import threshold_schema

__all__ = [
    "DEMO_THRESHOLDS",
    "Demand",
    "QubaSettings",
    "Thresholds",
    "display_name",
    "find_thresholds",
    "read_thresholds",
    "shipped_profiles",
    "threshold_schema",
]
