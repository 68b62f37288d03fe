"""The largest drop of any class from a baseline."""

from __future__ import annotations

from dataclasses import replace

from quba_check.comparison.baseline import drop
from quba_check.comparison.difference import RunValue
from quba_check.comparison.stored_run import THIS_RUN
from quba_check.core.measurement import Drop, Unmeasurable
from quba_check.demands.demand import Demand
from quba_check.errors import UnmeasurableError
from quba_check.messages import allowing, listed
from quba_check.verdicts.slices import MOST_NAMED, worst_note, worst_of


def largest_drop(
    demand: Demand, baseline: str, before: RunValue | None, after: RunValue | None
) -> Drop | Unmeasurable:
    """Return the largest drop of any class, with limits that hold for all simultaneously.

    The class that is the worst one now may have been it before: the drop of its number says nothing about
    other classes.

    Args:
        demand: the demand on all classes; classes with a demand of their own in its place are left out.
        baseline: name of the run to compare with.
        before: the number of the worst class in that run; None if it has none.
        after: likewise in this run.
    """
    request = demand.request
    for name, value in ((baseline, before), (THIS_RUN, after)):
        if value is not None and value.classes is None:
            reason = allowing(f"{name} has no answers by image behind {demand.target}", _ALLOWED)
            return Unmeasurable(demand.dimension, reason, missing_data=True)
    if before is None or after is None or before.classes is None or after.classes is None:
        return drop(baseline, request, before, after, relative=False)
    drops: dict[str, Drop] = {}
    replaced: list[str] = []
    try:
        for number, ((name, was), (_, now)) in enumerate(zip(before.classes(), after.classes(), strict=True)):
            class_request = replace(request, target=name, classes=(number,))
            if number in demand.replaced:
                replaced.append(name)
                continue
            values = before.of_class(was), after.of_class(now)
            change = drop(baseline, class_request, *values, relative=demand.key == "max_relative_drop")
            if isinstance(change, Unmeasurable):
                return change
            drops[name] = change
    except UnmeasurableError as error:
        return Unmeasurable(demand.dimension, f"of a model: {error.reason}", error.missing_data)
    if not drops:
        return Unmeasurable(demand.dimension, "each class has a demand of its own", missing_data=True)
    of_class = max(drops, key=lambda name: drops[name].value)
    worst = worst_of(drops, "low")
    notes = [worst_note("largest drops", drops, "low")]
    if replaced:
        notes.append(f"judged by demands of their own, with waivers: {listed(replaced, MOST_NAMED)}")
    return replace(
        drops[of_class],
        n=after.n,
        curve=worst.curve,
        sample=worst.sample,
        notes=tuple(notes),
        of_class=of_class,
    )


_ALLOWED = (
    "the model itself (--quba-reference), or a record with its file of answers, of clean images and the "
    "model's own preprocessing"
)
