"""Search for the class order of the model's outputs, if it is not the suite's."""

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
from quba_check.messages import did_you_mean, listed
from quba_check.suites.label_spaces import IMAGENET_CLASS_COUNT, imagenet_classes
from quba_check.suites.suite import Example

_FEW, _MANY = 64, 512
_PER_CLASS, _LEAST_PER_CLASS, _ENOUGH = 16, 6, 320
"""Images of a class to estimate and confirm an order, half each; at least; and enough in total."""
_GOOD = 0.95
"""Accuracy above which no order is estimated."""
_LIFT = 0.1
"""Smallest rise in accuracy of a named order; an estimated one is tested on its second half instead."""
_SHOWN = 30


@dataclass(frozen=True, slots=True)
class BetterOrder:
    """A class order with significantly higher accuracy than the suite's.

    Attributes:
        order: the order.
        before: accuracy in the suite's own order.
        after: accuracy in this order.
        n: number of images behind both.
    """

    order: ClassOrder
    before: float
    after: float
    n: int


def better_order(subject: ModelUnderTest, variant: Variant, *, many: bool) -> BetterOrder | None:
    """Return a class order with significantly higher accuracy on the clean set.

    Orders suggested by names come first, then one estimated on half of the images and tested on the other.

    Args:
        subject: the model under examination.
        variant: of the preprocessing.
        many: use up to 512 images instead of 64.
    """
    examples = subject.sample(limit=_MANY if many else _FEW)
    predicted, label = predictions(subject, examples, variant), labels(examples)
    named = _better_named_order(subject, predicted, label)
    n_classes = len(subject.suite.classes)
    enough = max(min(_PER_CLASS * n_classes, _ENOUGH), len(examples))
    accuracy = float((predicted == label).mean()) if named is None else named.after
    if (subject.short and not many) or enough < _LEAST_PER_CLASS * n_classes or accuracy >= _GOOD:
        return named
    examples = subject.sample(limit=enough)
    # A named order can fit partly by chance, while the true one follows no rule.
    predicted = predictions(subject, examples, variant)
    return _better_estimated_order(subject, predicted, labels(examples), named) or named


def order_finding(subject: ModelUnderTest, better: BetterOrder, *, is_fixed: bool) -> Finding:
    """Return the finding for a wrong class order.

    An estimated order is proposed only if the user asks for one: another error can look like it.

    Args:
        subject: the model under examination.
        better: the order.
        is_fixed: the order was found with a better preprocessing than the one in use.
    """
    fixed = "with the fixed preprocessing, " if is_fixed else ""
    on_images = f"{fixed}on {better.n} clean images accuracy {better.before:.3f} in the suite's order, "
    if better.order.is_estimated and not subject.estimate_order:
        return subject.finding(
            "class order",
            "the model's outputs look permuted.",
            f"{on_images}{better.after:.3f} in an estimated one",
            "compare the class list with that of training; quba-check doctor --order estimates the order",
        )
    return subject.finding(
        "class order",
        f"the model's outputs are in another class order than the suite's: in {better.order.description}.",
        f"{on_images}{better.after:.3f} in that one",
        _fix(subject, better.order),
    )


def supplied_order_finding(subject: ModelUnderTest) -> Finding | None:
    """Return the finding for a supplied order without each of the suite's classes exactly once."""
    if subject.order is None:
        return None
    classes, names, order = subject.suite.classes, subject.suite.class_names, subject.order
    if sorted(order) in (sorted(classes), sorted(names)):
        return None
    unknown = next((name for name in order if name not in classes and name not in names), None)
    problem = (
        f"got {len(order)} names, {len(set(order))} of them different; the suite has {len(classes)} classes."
        if unknown is None
        else f"'{unknown}' is not a class of the suite.{did_you_mean(unknown, [*classes, *names])}"
    )
    return Finding(
        check="class order",
        problem=f"--order: {problem}",
        evidence="",
        fix=f"write each class of the suite on a line of its own: {listed(classes, 5)}",
    )


def predictions(subject: ModelUnderTest, examples: Sequence[Example], variant: Variant) -> NDArray[np.int64]:
    """(N,) class of the suite with the highest output."""
    raw = subject.raw(examples, variant=variant)
    predicted: NDArray[np.int64] = subject.classifier.select_classes(raw).argmax(dim=1).numpy()
    return predicted


def labels(examples: Sequence[Example]) -> NDArray[np.int64]:
    """(N,) classes of the suite."""
    return np.array([example.label for example in examples], dtype=np.int64)


def candidates(subject: ModelUnderTest) -> tuple[ClassOrder, ...]:
    """Return the orders suggested by names, folders, the model and the user."""
    classes = subject.suite.classes
    folders: dict[int, set[str]] = {}
    for example in subject.suite.examples(CLEAN):
        folders.setdefault(example.label, set()).add(PurePosixPath(example.name).parent.name)
    only_folder = {k: min(names) for k, names in folders.items() if len(names) == 1}
    supplied = [] if subject.order is None else [("the supplied order", subject.order)]
    return plausible_orders(
        classes,
        subject.suite.class_names,
        only_folder if len(set(only_folder.values())) == len(classes) else {},
        [*supplied, *class_orders_in_model(subject.classifier.module)],
    )


def _better_named_order(
    subject: ModelUnderTest, predicted: NDArray[np.int64], label: NDArray[np.int64]
) -> BetterOrder | None:
    orders = candidates(subject)
    correct_before = predicted == label
    better: list[BetterOrder] = []
    for order in orders:
        correct = predicted == order.columns(subject.suite.classes)[label]
        score = BetterOrder(order, float(correct_before.mean()), float(correct.mean()), len(label))
        if score.after - score.before >= _LIFT and mcnemar_p(correct_before, correct) < ALPHA / len(orders):
            better.append(score)
    return max(better, key=lambda score: score.after, default=None)


def _better_estimated_order(
    subject: ModelUnderTest, predicted: NDArray[np.int64], label: NDArray[np.int64], named: BetterOrder | None
) -> BetterOrder | None:
    """Return an estimated order if it significantly beats the suite's or the named one."""
    classes = subject.suite.classes
    held_out = np.zeros(len(label), dtype=bool)
    for k in np.unique(label):
        held_out[np.flatnonzero(label == k)[1::2]] = True
    order = estimated_order(classes, label[~held_out], predicted[~held_out])
    if order is None:
        return None
    predicted, label = predicted[held_out], label[held_out]
    correct = predicted == order.columns(classes)[label]
    rival = predicted == (label if named is None else named.order.columns(classes)[label])
    if mcnemar_p(rival, correct) >= ALPHA / 10:
        return None
    return BetterOrder(order, float((predicted == label).mean()), float(correct.mean()), len(label))


def _fix(subject: ModelUnderTest, order: ClassOrder) -> str:
    classes = subject.suite.classes
    if order.shift:
        end, other = ("first", "last") if order.shift > 0 else ("last", "first")
        name = short_class_names(classes)[0 if order.shift > 0 else -1]
        return (
            f"wrap the model in a callable that shifts the outputs: its {end} output is for another class "
            f"than '{name}', and the suite's {other} class has none\n"
            f"logits.roll({-order.shift}, dims=1) puts the others in place"
        )
    if len(classes) == IMAGENET_CLASS_COUNT and classes == imagenet_classes():
        return (
            "wrap the model in a callable that returns its outputs in the order of the synsets, "
            f"{listed(classes, 3)}"
        )
    names = ", ".join(order.classes[:_SHOWN]) + (", …" if len(classes) > _SHOWN else "")
    return (
        f"list the classes in quba-data.yaml in the order of the model's outputs\nclasses: [{names}]\n"
        "labels written as numbers refer to that list, so write names instead"
    )
