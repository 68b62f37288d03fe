"""Measured parts without what says how sure they are, for tests of values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from quba_check.protocol.measurement import Quantity


def bare(parts: Mapping[str, Quantity]) -> dict[str, Quantity]:
    return {name: replace(part, curve=None, debiased=None) for name, part in parts.items()}
