"""What demands are held to that takes more than one measurement: drops from a baseline, and grades."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from quba_check.comparison.baseline import drop, incompatibility
from quba_check.comparison.difference import RunValue
from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.drop import Drop
from quba_check.core.grade import Grade
from quba_check.core.measurement import Measurement, Unmeasurable
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand, Thresholds
from quba_check.errors import UserError
from quba_check.grading import grade, unreachable_grade
from quba_check.records.record import SuiteRow
from quba_check.records.verdict import QUBA


def drop_from_baseline(
    demand: Demand,
    baseline: StoredRun,
    after: RunValue | None,
    *,
    protocol: ProtocolName,
    suite: SuiteRow,
    limit: int | None,
    seed: int,
    masked: tuple[str, ...] = (),
) -> Drop | Unmeasurable:
    """How much worse than a baseline's the value is that a demand on a drop is about.

    Args:
        demand: the demand.
        baseline: the stored run.
        after: the value now; None where there is none.
        protocol: of the run.
        suite: of the run, with the contents of the images behind the value.
        limit: images of a set that the run looked at at most; None: all.
        seed: the run's.
        masked: signs that the value now is masked.
    """
    outcome = incompatibility(baseline, demand.dimension, protocol, suite, limit=limit, seed=seed) or drop(
        baseline,
        demand.dimension,
        demand.part,
        after,
        unit=demand.unit,
        better=demand.better,
        relative=demand.bound == "max_relative_drop",
    )
    return replace(outcome, masked=masked) if isinstance(outcome, Drop) else outcome


def unreachable_grade_of(
    thresholds: Thresholds, obstacles: Mapping[str, str], *, suite: str, classes: int
) -> Grade | None:
    """Return a grade without letter if a threshold file allows none, else None.

    Args:
        thresholds: the file.
        obstacles: why dimensions cannot have a value on the suite, by name.
        suite: the suite's name.
        classes: the number of its classes.
    """
    return unreachable_grade(
        obstacles,
        population=thresholds.quba.population,
        allow_missing=thresholds.quba.allow_missing,
        suite=suite,
        classes=classes,
        allow_other_suite=thresholds.quba.allow_other_suite,
    )


def grade_of(
    thresholds: Thresholds,
    measured: Mapping[str, Measurement],
    *,
    protocol: ProtocolName,
    suite: str,
    classes: int,
    generated_corruptions: bool,
) -> Grade | Unmeasurable:
    """The grade of measurements by the settings of a threshold file; the reason where they cannot be graded.

    Args:
        thresholds: the file.
        measured: by name of the dimension.
        protocol: of the run.
        suite: the suite's name.
        classes: the number of its classes.
        generated_corruptions: whether the suite makes its corruptions.
    """
    published = {name: measured[name] for name in PUBLISHED_DIMENSIONS if name in measured}
    try:
        return grade(
            {name: found.value for name, found in published.items()},
            weights=thresholds.quba.weights,
            population=thresholds.quba.population,
            protocol=protocol,
            allow_missing=thresholds.quba.allow_missing,
            suite=suite,
            classes=classes,
            allow_other_suite=thresholds.quba.allow_other_suite,
            allow_masked=thresholds.quba.allow_masked,
            measured=published,
            generated_corruptions=generated_corruptions,
        )
    except UserError as error:
        return Unmeasurable(QUBA, str(error))
