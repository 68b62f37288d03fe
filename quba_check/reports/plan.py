"""The plan of a run as text: two lines, or a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from quba_check.core.view import CORRUPTIONS_SET
from quba_check.gate.preflight import RunPlan
from quba_check.gate.progress import time_text
from quba_check.number_format import counted, format_bytes
from quba_check.reports.tables import table_text

if TYPE_CHECKING:
    from quba_check.core.work import PlannedView

HEADINGS = ("view", "images", "from", "in store", "forward", "backward", "to store")
NUMBERS = ("images", "in store", "forward", "backward", "to store")
LONG_SECONDS = 300
"""Time from which the plan states what would shorten the run."""
OPENVINO = "--quba-runtime openvino"
LARGEST_GAIN = 2.0
"""Images a second in OpenVINO per one in torch, the most of four networks; others gain less."""
NOTHING_RUN = "Nothing was run, and no record was written."


def plan_lines(plan: RunPlan, seconds: float | None) -> list[str]:
    """Return the plan in two lines, for a long run in three.

    Args:
        plan: the work of the run.
        seconds: the time that it takes; None if unknown.
    """
    views = plan.views
    images = sum(view.images for view in views)
    missing = sum(view.missing for view in views)
    first = f"plan: {counted(len(views), 'view')}, {counted(images, 'image')}"
    if not missing:
        return [first, "all predictions are in the store"] if views else ["plan: nothing to predict"]
    stored = f" ({images - missing:,} in the store)" if missing < images else ""
    space = f"{format_bytes(sum(view.bytes for view in views))} to store"
    devices = ", ".join(dict.fromkeys(model.device for model in plan.models))
    time = f"time on {devices} not known yet" if seconds is None else f"{time_text(seconds)} on {devices}"
    shorter = [_shorter(plan, seconds)] if seconds is not None and seconds > LONG_SECONDS else []
    return [f"{first}{stored}, {space}", f"{_passes(plan)}, {time}", *shorter]


def _shorter(plan: RunPlan, seconds: float) -> str:
    """Return options for a shorter run, first for the views with most passes."""
    passes = dict.fromkeys(("", "no adversarial_robustness, ", "sample: one for the corruptions, "), 0)
    for view in plan.views:
        kind = 1 if view.view.attack else 2 if view.view.severity else 0
        passes[[*passes][kind]] += view.forward + view.backward
    limit = max(1, round(max(view.images for view in plan.views) * LONG_SECONDS / seconds))
    openvino = f", {OPENVINO}" if any(model.may_run_openvino for model in plan.models) else ""
    gpu = ", a GPU" if any(model.device == "cpu" for model in plan.models) else ""
    return f"to shorten it: {max(passes, key=passes.__getitem__)}--quba-limit {limit}{openvino}{gpu}"


def saving_line(plan: RunPlan, seconds: float) -> str:
    """Return the most that OpenVINO saves of a long run; empty for others."""
    passes = sum(view.forward + view.backward for view in plan.views)
    models = [model for model in plan.models if model.may_run_openvino]
    unattacked = sum(view.forward for model in models for view in model.views if view.view.attack is None)
    if seconds <= LONG_SECONDS or not unattacked:
        return ""
    saved = time_text(seconds * unattacked / passes * (1 - 1 / LARGEST_GAIN)).removeprefix("about ")
    return f"{OPENVINO} saves up to {saved} of such a run on this CPU"


def plan_table(plan: RunPlan, seconds: float | None) -> str:
    """Return the plan as a table for each model and protocol; see `plan_lines`."""
    parts = []
    for model in plan.models:
        title = f"{model.model} on {plan.suite}, protocol {model.protocol}, {model.device}"
        shared = f"{counted(model.shared, 'view')} shared with the protocol above" if model.shared else ""
        rows = list(_rows(model.views))
        table = table_text(HEADINGS, rows, NUMBERS).rstrip() if rows else "no view to predict"
        parts.append("\n".join(line for line in (title, table, shared) if line))
    lines = plan_lines(plan, seconds)
    if _has_pgd(plan):
        lines.append("PGD takes at most these passes: images that it fools leave early.")
    return "\n\n".join([*parts, "\n".join([*lines, NOTHING_RUN])])


def _rows(views: Sequence[PlannedView]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table, with one for all conditions of the corruptions."""
    groups: dict[str, list[PlannedView]] = {}
    for view in views:
        is_condition = view.view.set == CORRUPTIONS_SET and view.view.severity is not None
        groups.setdefault(CORRUPTIONS_SET if is_condition else str(view.view), []).append(view)
    for name, members in groups.items():
        source = "generated" if members[0].is_generated else "files"
        title = f"{name} ({len(members)} views)" if len(members) > 1 else str(members[0].view)
        yield _row(title, source, members)
    if len(groups) > 1:
        yield _row("total", "", views)


def _row(name: str, source: str, views: Sequence[PlannedView]) -> tuple[str, ...]:
    columns = ("images", "missing", "forward", "backward", "bytes")
    images, missing, *passes, size = (sum(getattr(view, name) for view in views) for name in columns)
    numbers = (f"{number:,}" for number in (images - missing, *passes))
    return (name, f"{images:,}", source, *numbers, format_bytes(size))


def _passes(plan: RunPlan) -> str:
    """Return the passes of a run in words."""
    forward, backward = (sum(getattr(view, name) for view in plan.views) for name in ("forward", "backward"))
    counts = f"{forward:,} forward" + (f" and {backward:,} backward" if backward else "")
    return f"{'at most ' if _has_pgd(plan) else ''}{counts} {'pass' if forward + backward == 1 else 'passes'}"


def _has_pgd(plan: RunPlan) -> bool:
    """True if images are attacked by PGD, whose passes are at most those planned."""
    return any(view.view.attack == "pgd" and view.missing for view in plan.views)
