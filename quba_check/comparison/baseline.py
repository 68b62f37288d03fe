"""How much worse a measurement is than a stored one."""

from __future__ import annotations

from quba_check.comparison.change import Side, difference, ratio
from quba_check.comparison.compared import StoredRun
from quba_check.comparison.images import PerImage
from quba_check.protocol.confidence import ConfidenceCurve
from quba_check.protocol.dimension import Better
from quba_check.protocol.drop import Drop
from quba_check.protocol.measurement import Measurement, Unmeasurable


def drop(
    baseline: StoredRun, measured: Measurement, part: str | None, better: Better, *, relative: bool
) -> Drop | Unmeasurable:
    """How much worse a dimension or part is than the baseline's.

    Args:
        baseline: the stored run.
        measured: the dimension now.
        part: name of the part; None for the dimension itself.
        better: its good direction.
        relative: as a share of the baseline's value, which must be above 0.
    """
    name = measured.dimension if part is None else f"{measured.dimension}.{part}"
    before = baseline.side(measured.dimension, part)
    found = measured if part is None else measured.parts.get(part)
    if before is None or found is None:
        where = baseline.file if before is None else "this run"
        return Unmeasurable(measured.dimension, f"{where} has no value of {name}", missing_data=True)
    if relative and before.value <= 0:
        return Unmeasurable(
            measured.dimension, f"nothing is relative to the {before.value:g} of {baseline.file}"
        )
    limits = None if found.curve is None else found.curve.limits
    after = Side(found.value, found.n, limits, PerImage.of(measured).deviations.get(name, {}))
    change = ratio(before, after) if relative else difference(before, after)
    gain, curve = change.value - relative, change.curve
    if curve is not None:
        curve = ConfidenceCurve(tuple(limit - relative for limit in curve.limits))
        if better == "high":
            curve = ConfidenceCurve(tuple(-limit for limit in reversed(curve.limits)))
    return Drop(
        value=0.0 - gain if better == "high" else gain,
        unit=found.unit,
        n=found.n,
        curve=curve,
        before=before.value,
        after=after.value,
        baseline=baseline.file,
        paired=change.paired,
    )
