"""Images that explain why a demand failed, chosen from stored runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from quba_check.comparison.misclassified import Failure, failures, n_selected, rejects
from quba_check.comparison.stored_run import StoredRun
from quba_check.core.facts import whole_class_names
from quba_check.core.request import target_name
from quba_check.core.view import CLEAN_SET, CUE_CONFLICT_SET, MIXED_RAND_SET, UNKNOWN_PREFIX
from quba_check.errors import QubaError, UserError
from quba_check.records.measurement import MeasurementRow
from quba_check.records.verdict import VerdictRow
from quba_check.reports.notes import PARITY

BY_LOSS = ("accuracy", "calibration_error", "class_balance")
"""Dimensions of the clean images as they are: their wrong images have a stored answer and loss."""
CHANGED_CLEAN: Mapping[str, str] = {
    "adversarial_robustness": "shown before the attack. Answers under attack are not stored",
    "corruption_robustness": "shown before the corruption. Answers on corrupted images are not stored",
}
"""Dimensions of changed clean images, with a note on their pictures."""
_COUNTED = ("recall", "precision", "specificity", "npv")
"""Metrics of a class that count one kind of wrong images."""
Listing = Callable[[str], Sequence[tuple[str, str, str]]]
"""Returns name, class and texture class of each image of a set. Raises QubaError."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The images chosen for a demand.

    Attributes:
        images: those that lower its value most, then further ones that the baseline classifies correctly.
        note: how they were chosen, or why there are none.
    """

    images: tuple[Failure, ...] = ()
    note: str = ""


def choose_images(
    run: StoredRun, demand: VerdictRow, n: int, listing: Listing, baseline: StoredRun | None = None
) -> Choice:
    """Choose images that explain a failed demand.

    Args:
        run: the run.
        demand: one of its verdicts.
        n: largest number of images that lower the value most, and of lost ones.
        listing: names of the images of sets whose names are not stored.
        baseline: an earlier run.
    """
    if demand.is_on_grade:
        return Choice(note="No pictures: the grade combines all dimensions.")
    if demand.dimension not in run.record.measured:
        return Choice(note="No pictures: this dimension has no value.")
    if demand.dimension == PARITY:
        return Choice(note="The section 'Same model?' shows clean images with a lost answer.")
    of_set = "" if demand.part is None else demand.set
    if demand.dimension == "unknown_detection" and (unknown := rejects(run.record, of_set)):
        note = "The most confident unknown images. A known class among them is a sign that the set leaks."
        return Choice(tuple(unknown[:n]), note)
    try:
        if demand.dimension in BY_LOSS or _is_of_answers(demand):
            return _choice_by_loss(run, demand, n, baseline)
        return _choice_by_harm(run, demand, n, listing, baseline)
    except QubaError as why:
        return Choice(note=f"No pictures: {why}")


def choose_lost(run: StoredRun, n: int) -> Choice:
    """Choose clean images that only the reference of `parity` classifies correctly.

    Args:
        run: the run.
        n: largest number of images.
    """
    row = run.record.measured.get(PARITY)
    columns = ("image", "kind", "label", "before", "after")
    rows = row.table_rows("flipped_images", *columns) if row is not None else ()
    lost = [
        Failure(None, str(image), str(label), str(after), before=str(before))
        for image, kind, label, before, after in rows
        if kind == "lost"
    ]
    note = "Lost answers: right before, wrong now. The largest changes come first."
    return Choice(tuple(lost[:n]), note) if lost else Choice()


def _is_of_answers(demand: VerdictRow) -> bool:
    """True if class, predicted class and slice define the images behind a demand."""
    if demand.dimension != "classes" or demand.conditions:
        return False
    sides = {"class", "predicted"} & demand.explanation.images.keys()
    return len(sides) == 2 if demand.metric == "confusion" else bool(sides) and demand.metric in _COUNTED


def _choice_by_loss(run: StoredRun, demand: VerdictRow, n: int, baseline: StoredRun | None) -> Choice:
    if "set" in demand.explanation.images:
        raise UserError("the run stored answers to clean images alone.")
    try:
        wrong = failures(run, baseline)
        problem = ""
    except UserError as why:
        wrong = failures(run)
        problem = f" Images lost against the baseline are unknown: {why}"
    answers = run.clean_answers()
    images = demand.explanation.images
    whole = whole_class_names(answers.classes)
    label, predicted = (whole.get(images.get(key, "")) for key in ("class", "predicted"))
    slice_name = images.get("slice")
    wrong = [image for image in wrong if image.is_of(label, predicted, slice_name)]
    if not wrong:
        return Choice(note=f"No pictures: no clean image is wrong.{problem}")
    worst = wrong[:n]
    others = wrong[n:]
    n_lost = sum(failure.is_lost for failure in worst)
    further = [failure for failure in others if failure.is_lost][: n - n_lost]
    count = f"{len(wrong):,} of {n_selected(answers, label, slice_name):,}"
    conditions = label, predicted and f"called {predicted}", slice_name
    count = ", ".join(filter(None, (count, *conditions)))
    note = f"Wrong clean images, {count}, the most confident first.{problem}"
    return Choice((*worst, *further), note)


def _choice_by_harm(
    run: StoredRun, demand: VerdictRow, n: int, listing: Listing, baseline: StoredRun | None
) -> Choice:
    """Return the images that harm the value most, then further lost ones."""
    row = run.record.measured[demand.dimension]
    part, only = _explaining_part(demand, row)
    target = target_name(demand.dimension, part)
    sign = 1.0 if (row.parts.get(part or "", row).better or row.better) == "low" else -1.0
    harm_by_set = {name: harm for name, harm in _harm(run, target, sign).items() if only in (None, name)}
    is_of_all_images = not demand.conditions and not demand.slice
    if not harm_by_set and demand.dimension == "classes" and is_of_all_images:
        return _choice_by_loss(run, demand, n, baseline)
    if len(harm_by_set) != 1:
        return Choice(note="No pictures: the run stored no results of single images for this demand.")
    ((name, harm),) = harm_by_set.items()
    images = _images_of(run, name, listing)
    if len(images) != len(harm):
        now = f"has {len(images):,} images now, and had {len(harm):,} in the run"
        return Choice(note=f"No pictures: the set '{name}' {now}.")
    harmful = np.flatnonzero(harm > 0)
    lost = np.array([], np.intp)
    content = run.record.suite.contents.get(name)
    if baseline is not None and content and baseline.record.suite.contents.get(name) == content:
        before = None if demand.dimension in CHANGED_CLEAN else _harm(baseline, target, sign).get(name)
        if before is not None and len(before) == len(harm):
            lost = harmful[before[harmful] <= 0]
    worst = _worst(harmful, harm, n)
    further = _worst(np.setdiff1d(lost, worst), harm, n - len(np.intersect1d(lost, worst)))
    chosen = [replace(images[index], is_lost=index in lost) for index in (*worst, *further)]
    count = f"{len(harmful):,} of {len(images):,}"
    verb = "raise" if sign > 0 else "lower"
    return Choice(tuple(chosen), _note(demand.dimension, f"that {verb} {target} most", name, count))


def _explaining_part(demand: VerdictRow, row: MeasurementRow) -> tuple[str | None, str | None]:
    """Return the part whose stored value explains a demand, and its set."""
    dimension = demand.dimension
    if dimension == "object_focus":
        return MIXED_RAND_SET, MIXED_RAND_SET
    suffix = {"ood_robustness": "_accuracy", "unknown_detection": "_fpr95"}.get(dimension)
    if suffix is None:
        return demand.part, None
    sets = [name for name in row.parts if f"{name}{suffix}" in row.parts]
    worst = min(sets, key=lambda name: row.parts[name].value, default="")
    name = worst if demand.part is None else demand.set
    if dimension == "unknown_detection":
        return name, f"{UNKNOWN_PREFIX}{name}"
    return f"{name}{suffix}", name


def _harm(run: StoredRun, target: str, sign: float) -> dict[str, NDArray[np.float64]]:
    """Return by set the contribution of each image, positive for a worse value."""
    if run.images is None:
        return {}
    return {name: sign * values for name, values in run.images.influences.get(target, {}).items()}


def _images_of(run: StoredRun, name: str, listing: Listing) -> list[Failure]:
    """Return the images of a set in the order of stored results."""
    if name == CLEAN_SET:
        answers = run.clean_answers()
        return [
            Failure(None, path, answers.classes[label], None)
            for path, label in zip(answers.names, answers.label.tolist(), strict=True)
        ]
    is_cue = name == CUE_CONFLICT_SET  # an image that lowers the shape bias is decided for its texture
    return [
        Failure(None, path, label, texture if is_cue else None, set=name)
        for path, label, texture in listing(name)
        if not is_cue or label != texture
    ]


def _worst(indices: NDArray[np.intp], harm: NDArray[np.float64], n: int) -> list[int]:
    """Return the n most harmful places, evenly spread if all are equally harmful."""
    if len(indices) > n and np.ptp(harm[indices]) == 0:
        chosen = indices[np.arange(n) * len(indices) // n]
    else:
        chosen = indices[np.argsort(-harm[indices], kind="stable")][:n]
    return [int(index) for index in chosen]


def _note(dimension: str, which: str, name: str, count: str) -> str:
    if dimension in CHANGED_CLEAN:
        return f"Clean images {which}, {CHANGED_CLEAN[dimension]}."
    if name == CUE_CONFLICT_SET:
        return f"Images decided by texture: {count}."
    if dimension in ("ood_robustness", "object_focus"):
        return f"Wrong images of the set '{name}': {count}. The run stored neither their answers nor losses."
    return f"Images of the set '{name}' {which}."
