"""The plan of a run as text: two lines, or a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from quba_check.core.view import CORRUPTIONS_SET
from quba_check.gate.progress import TimeLeft, time_text
from quba_check.gate.run_plan import ModelPlan, RunPlan
from quba_check.number_format import counted, format_bytes
from quba_check.reports.tables import table_text

if TYPE_CHECKING:
    from quba_check.engine.plan import PlannedView

HEADINGS = ("view", "images", "from", "in store", "forward", "backward", "to store")
NUMBERS = ("images", "in store", "forward", "backward", "to store")
NOTHING_RUN = "Nothing was run, and no record was written."


def plan_lines(plan: RunPlan, estimate: TimeLeft | None) -> list[str]:
    """Return the plan in two lines.

    Args:
        plan: the work of the run.
        estimate: the time that it takes; None if unknown.
    """
    views = plan.views
    images, missing = sum(view.images for view in views), sum(view.missing for view in views)
    first = f"plan: {counted(len(views), 'view')}, {counted(images, 'image')}"
    if not missing:
        return [first, "all predictions are in the store"] if views else ["plan: nothing to predict"]
    stored = f" ({images - missing:,} in the store)" if missing < images else ""
    space = f"{format_bytes(sum(view.bytes for view in views))} to store"
    return [f"{first}{stored}, {space}", f"{_passes(plan)}, {_time(plan, estimate)}"]


def plan_table(plan: RunPlan, cache_gb: float) -> str:
    """Return the plan as a table for each model and protocol, with memory.

    Args:
        plan: the work of the run.
        cache_gb: largest size of the prepared images that are kept.
    """
    parts = []
    for model in plan.models:
        title = f"{model.model} on {plan.suite}, protocol {model.protocol}, {model.device}"
        shared = f"{counted(model.shared, 'view')} shared with the protocol above" if model.shared else ""
        rows = list(_rows(model.views))
        table = table_text(HEADINGS, rows, NUMBERS).rstrip() if rows else "no view to predict"
        parts.append("\n".join(line for line in (title, table, shared) if line))
    lines = plan_lines(plan, None)
    if any(view.view.attack == "pgd" and view.missing for view in plan.views):
        lines.append("PGD takes at most these passes: images that it fools leave early.")
    if plan.stops_early:
        lines.append("--quba-early-stop: a set is left as soon as its verdict is known.")
    lines += _memory(plan, cache_gb)
    return "\n\n".join([*parts, "\n".join([*lines, NOTHING_RUN])])


def _rows(views: Sequence[PlannedView]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table, with one for all conditions of the corruptions."""
    groups: dict[str, list[PlannedView]] = {}
    for view in views:
        is_condition = view.view.set == CORRUPTIONS_SET and view.view.severity is not None
        groups.setdefault(CORRUPTIONS_SET if is_condition else str(view.view), []).append(view)
    for name, members in groups.items():
        yield _row(f"{name} ({len(members)} views)" if len(members) > 1 else str(members[0].view), members)
    if len(groups) > 1:
        yield ("total", *_row("", views)[1:2], "", *_row("", views)[3:])


def _row(name: str, views: Sequence[PlannedView]) -> tuple[str, ...]:
    images, missing = sum(view.images for view in views), sum(view.missing for view in views)
    return (
        name,
        f"{images:,}",
        "generated" if views[0].kind == "generated" else "files",
        f"{images - missing:,}",
        f"{sum(view.forward for view in views):,}",
        f"{sum(view.backward for view in views):,}",
        format_bytes(sum(view.bytes for view in views)),
    )


def _passes(plan: RunPlan) -> str:
    """Return the passes of a run in words."""
    forward, backward = (sum(getattr(view, name) for view in plan.views) for name in ("forward", "backward"))
    is_bound = plan.stops_early or any(view.view.attack == "pgd" and view.missing for view in plan.views)
    counts = f"{forward:,} forward" + (f" and {backward:,} backward" if backward else "")
    return f"{'at most ' if is_bound else ''}{counts} {'pass' if forward + backward == 1 else 'passes'}"


def _time(plan: RunPlan, estimate: TimeLeft | None) -> str:
    devices = ", ".join(dict.fromkeys(model.device for model in plan.models))
    if estimate is None:
        return f"time on {devices} not known yet"
    return f"{time_text(estimate)} on {devices}"


def _memory(plan: RunPlan, cache_gb: float) -> Iterable[str]:
    """Yield what is known about memory."""
    models = {model.model: model for model in plan.models}.values()
    yield "memory: " + ", ".join(
        f"{format_bytes(model.model_bytes)} for the weights{f' of {model.model}' if len(models) > 1 else ''}"
        for model in models
    )
    kept = min(cache_gb * 1e9, sum(_prepared_bytes(model) for model in models))
    if kept:
        yield f"prepared images in the store: at most {format_bytes(kept)}"


def _prepared_bytes(model: ModelPlan) -> int:
    """Return the size of all prepared images that the missing predictions need."""
    images: dict[str, int] = {}
    for view in model.views:
        if view.missing:
            source = "clean" if view.kind == "generated" else str(view.view.images)
            images[source] = max(images.get(source, 0), view.images)
    return model.image_bytes * sum(images.values())
