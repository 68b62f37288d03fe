"""What commands need that look at threshold files without a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quba_check.core.facts import SuiteFacts
    from quba_check.demands.demand import Thresholds


def thresholds_at(path: Path, facts: SuiteFacts) -> Thresholds:
    """A threshold file, its parts held to those of a suite."""
    from quba_check.demands.profiles import display_name, find_thresholds
    from quba_check.demands.reading import read_thresholds
    from quba_check.dimensions import registry

    registry.load_entry_points()
    found = find_thresholds(str(path), Path.cwd())
    shown = (
        found.relative_to(Path.cwd()).as_posix() if found.is_relative_to(Path.cwd()) else display_name(found)
    )
    return read_thresholds(found, shown=shown, suite=facts)


def published_suite_facts() -> SuiteFacts:
    """The published suite's, for files that are looked at without a run."""
    from quba_check.suites.opening import published_facts

    return published_facts()
