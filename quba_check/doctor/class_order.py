"""Whether the model's outputs stand for the suite's classes in another order than the suite lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from quba_check.core.facts import short_class_names
from quba_check.core.view import CLEAN
from quba_check.doctor.class_order_candidates import (
    ClassOrder,
    class_orders_in_model,
    estimated_order,
    plausible_orders,
)
from quba_check.doctor.finding import Finding
from quba_check.doctor.significance import ALPHA, mcnemar_p
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.errors import did_you_mean, listed
from quba_check.suites.label_spaces import IMAGENET_CLASS_COUNT, imagenet_classes
from quba_check.suites.suite import Example

_FEW, _MANY = 64, 512
_PER_CLASS, _FEWEST, _ENOUGH = 16, 6, 320
"""Images of a class from which an order is estimated and confirmed, half each: so many where they are few in
all, at least, and so many in all."""
_GOOD = 0.95
_GAIN = 0.1
"""A named order must lift the accuracy by this much; an estimated one is held to its second half alone."""
_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Lift:
    """An order in which the answers are right more often.

    Attributes:
        order: the order.
        before: accuracy in the suite's own order.
        after: accuracy in this order.
        n: images on which both were taken.
    """

    order: ClassOrder
    before: float
    after: float
    n: int


def accuracy_lift(patient: ModelUnderTest, variant: Variant, *, many: bool) -> Lift | None:
    """The order that surely lifts the accuracy on the clean set, if there is one.

    Orders that names suggest come first; then one that is estimated from half of the images and has to hold
    on the other half.

    Args:
        patient: whose answers are read.
        variant: how the model is shown its images.
        many: look at up to 512 images instead of 64.
    """
    examples = patient.sample(limit=_MANY if many else _FEW)
    top1, label = answers(patient, examples, variant), labels(examples)
    named = _named(patient, examples, top1, label)
    classes = len(patient.suite.classes)
    enough = max(min(_PER_CLASS * classes, _ENOUGH), len(examples))
    best = float((top1 == label).mean()) if named is None else named.after
    if (patient.short and not many) or enough < _FEWEST * classes or best >= _GOOD:
        return named
    examples = patient.sample(limit=enough)
    # An order of names may fit in part by chance, where the true one follows no rule.
    return _estimated(patient, answers(patient, examples, variant), labels(examples), named) or named


def finding(patient: ModelUnderTest, lift: Lift) -> Finding:
    """What is said of a wrong order."""
    spec = patient.classifier.spec
    return Finding(
        check="class order",
        problem=f"{spec}: the model's outputs are in another class order than the suite's: "
        f"in {lift.order.words}.",
        evidence=f"on {lift.n} clean images accuracy {lift.before:.3f} in the suite's order, "
        f"{lift.after:.3f} in that one",
        fix=_fix(patient, lift.order),
    )


def supplied_order_finding(patient: ModelUnderTest) -> Finding | None:
    """What is said of a supplied order that does not name the suite's classes, each once."""
    if patient.order is None:
        return None
    classes, names = patient.suite.classes, patient.suite.class_names
    given = patient.order
    if sorted(given) in (sorted(classes), sorted(names)):
        return None
    strange = next((name for name in given if name not in classes and name not in names), None)
    problem = (
        f"got {len(given)} names, {len(set(given))} of them different; the suite has {len(classes)} classes."
        if strange is None
        else f"'{strange}' is no class of the suite.{did_you_mean(strange, [*classes, *names])}"
    )
    return Finding(
        check="class order",
        problem=f"--order: {problem}",
        evidence="",
        fix=f"write each class of the suite on a line of its own: {listed(classes, 5)}",
    )


def answers(patient: ModelUnderTest, examples: Sequence[Example], variant: Variant) -> NDArray[np.int64]:
    """(N,) class of the suite with the highest output."""
    raw = patient.raw(examples, variant=variant)
    top1: NDArray[np.int64] = patient.classifier.select_classes(raw).argmax(dim=1).numpy()
    return top1


def labels(examples: Sequence[Example]) -> NDArray[np.int64]:
    """(N,) classes of the suite."""
    return np.array([example.label for example in examples], dtype=np.int64)


def candidates(patient: ModelUnderTest) -> tuple[ClassOrder, ...]:
    """The orders that names, folders, the model and the user suggest."""
    classes = patient.suite.classes
    folders: dict[int, set[str]] = {}
    for example in patient.suite.examples(CLEAN):
        folders.setdefault(example.label, set()).add(PurePosixPath(example.name).parent.name)
    one_each = {k: min(names) for k, names in folders.items() if len(names) == 1}
    supplied = [] if patient.order is None else [("the order that was supplied", patient.order)]
    return plausible_orders(
        classes,
        names=patient.suite.class_names,
        folders=one_each if len(set(one_each.values())) == len(classes) else {},
        supplied=[*supplied, *class_orders_in_model(patient.classifier.module)],
    )


def _named(
    patient: ModelUnderTest, examples: Sequence[Example], top1: NDArray[np.int64], label: NDArray[np.int64]
) -> Lift | None:
    orders = candidates(patient)
    direct = top1 == label
    found: list[Lift] = []
    for order in orders:
        right = top1 == order.columns(patient.suite.classes)[label]
        lift = Lift(order, float(direct.mean()), float(right.mean()), len(examples))
        if lift.after - lift.before >= _GAIN and mcnemar_p(direct, right) < ALPHA / len(orders):
            found.append(lift)
    return max(found, key=lambda lift: lift.after, default=None)


def _estimated(
    patient: ModelUnderTest, top1: NDArray[np.int64], label: NDArray[np.int64], named: Lift | None
) -> Lift | None:
    """An order that surely lifts accuracy over the suite's own, or over a named one that does so too."""
    classes = patient.suite.classes
    second = np.zeros(len(label), dtype=bool)
    for k in np.unique(label):
        second[np.flatnonzero(label == k)[1::2]] = True
    order = estimated_order(classes, label[~second], top1[~second])
    if order is None:
        return None
    top1, label = top1[second], label[second]
    right = top1 == order.columns(classes)[label]
    rival = top1 == (label if named is None else named.order.columns(classes)[label])
    if mcnemar_p(rival, right) >= ALPHA / 10:
        return None
    return Lift(order, float((top1 == label).mean()), float(right.mean()), len(label))


def _fix(patient: ModelUnderTest, order: ClassOrder) -> str:
    classes = patient.suite.classes
    if order.shift:
        end, other = ("first", "last") if order.shift > 0 else ("last", "first")
        name = short_class_names(classes)[0 if order.shift > 0 else -1]
        return (
            f"wrap the model in a callable that moves the outputs: its {end} output stands for another class "
            f"than '{name}', and the suite's {other} class has none\n"
            f"logits.roll({-order.shift}, dims=1) brings the others to their places"
        )
    if len(classes) == IMAGENET_CLASS_COUNT and classes == imagenet_classes():
        return (
            "wrap the model in a callable that returns its outputs in the order of the synsets, "
            f"{listed(classes, 3)}"
        )
    shown = ", ".join(order.classes[:_SHOWN]) + (", …" if len(classes) > _SHOWN else "")
    return (
        f"list the classes in quba-data.yaml in the order of the model's outputs\nclasses: [{shown}]\n"
        "labels that are written as numbers count in that list, so write names instead"
    )
