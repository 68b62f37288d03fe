"""Measured parts without confidence curves, for tests of values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from quba_check.core.measurement import Quantity


def bare(parts: Mapping[str, Quantity]) -> dict[str, Quantity]:
    unsure = {"curve": None, "debiased": None, "debiased_limit": None}
    return {name: replace(part, **unsure) for name, part in parts.items()}
