"""Search for the class order of the model's outputs, if it is not the suite's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.core.facts import short_class_names
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN
from quba_check.doctor.finding import Finding
from quba_check.doctor.significance import ALPHA, mcnemar_p
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.messages import did_you_mean, listed
from quba_check.suites.label_spaces import IMAGENET_CLASS_COUNT, imagenet_classes

_FEW = 64
_MANY = 512
_PER_CLASS = 16
_LEAST_PER_CLASS = 6
_ENOUGH = 320
"""Images of a class to estimate and confirm an order, half each; at least; and enough in total."""
_GOOD = 0.95
"""Accuracy above which no order is estimated."""
_LIFT = 0.1
"""Smallest rise in accuracy of a named order; an estimated one is tested on its second half instead."""
_SHOWN = 30
_LATER = "the suite's order, shifted by one output, as after a background class"
_EARLIER = "the suite's order, shifted back by one output, as without the first class"


@dataclass(frozen=True, slots=True)
class ClassOrder:
    """An order of the classes.

    Attributes:
        description: the order, as the end of "the model's outputs are in".
        classes: number of the class of each output.
        shift: number of outputs by which all classes are shifted; 0 for any other order.
        is_estimated: it comes from the answers, not from names.
    """

    description: str
    classes: tuple[int, ...]
    shift: int = 0
    is_estimated: bool = False

    @property
    def columns(self) -> NDArray[np.int64]:
        """(C,) the output of each class."""
        return np.argsort(self.classes)


class BetterOrder(NamedTuple):
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


def better_order(subject: ModelUnderTest, variant: Variant) -> BetterOrder | None:
    """Return a class order with significantly higher accuracy on the clean set.

    Orders suggested by names come first, then one estimated on half of the images and tested on the other.
    None if the time ends.

    Args:
        subject: the model under examination.
        variant: of the preprocessing; its order has no effect.
    """
    better = None
    with subject.budget.step("class order"):
        better = _better_order(subject, replace(variant, columns=None))
    return better  # noqa: RET504  None if the time ends


def _better_order(subject: ModelUnderTest, variant: Variant) -> BetterOrder | None:
    is_at_chance = subject.is_at_chance(variant)
    answers = subject.clean_answers(variant, _MANY if is_at_chance else _FEW)
    orders = candidates(subject)
    scores = [_score(order, answers, answers.correct) for order in orders]
    better = (score for score, p in scores if score.after - score.before >= _LIFT and p < ALPHA / len(orders))
    named = max(better, key=lambda score: score.after, default=None)
    n_classes = len(subject.suite.classes)
    enough = max(min(_PER_CLASS * n_classes, _ENOUGH), len(answers))
    accuracy = answers.accuracy if named is None else named.after
    if (subject.short and not is_at_chance) or enough < _LEAST_PER_CLASS * n_classes or accuracy >= _GOOD:
        return named
    # A named order can fit partly by chance, while the true one follows no rule.
    answers = subject.clean_answers(variant, enough)
    held_out = np.zeros(len(answers), dtype=bool)
    for k in np.unique(answers.label):
        held_out[np.flatnonzero(answers.label == k)[1::2]] = True
    estimation, answers = answers.rows(~held_out), answers.rows(held_out)
    order = estimated_order(n_classes, estimation.label, estimation.predicted)
    rival = answers.correct if named is None else answers.predicted == named.order.columns[answers.label]
    score, p = _score(order, answers, rival)
    return score if p < ALPHA / 10 and score.after > score.before else named


def _score(order: ClassOrder, answers: Predictions, rival: NDArray[np.bool_]) -> tuple[BetterOrder, float]:
    """Return the accuracies of an order, and the p-value of “not better than a rival”."""
    correct = answers.predicted == order.columns[answers.label]
    score = BetterOrder(order, answers.accuracy, float(correct.mean()), len(answers))
    return score, mcnemar_p(rival, correct)


def candidates(subject: ModelUnderTest) -> tuple[ClassOrder, ...]:
    """Return other orders than the suite's, suggested by names, folders, model and user."""
    own = tuple(range(len(subject.suite.classes)))
    orders = {own: ClassOrder("", own)}
    for description, order in _described_orders(subject):
        orders.setdefault(tuple(order), ClassOrder(description, tuple(order)))
    for shift, description in ((1, _LATER), (-1, _EARLIER)):
        rolled = own[-shift:] + own[:-shift]
        orders.setdefault(rolled, ClassOrder(description, rolled, shift))
    return tuple(orders.values())[1:]


def _described_orders(subject: ModelUnderTest) -> Iterator[tuple[str, Sequence[int]]]:
    classes = subject.suite.classes
    names = subject.suite.class_names
    for description, given in _lists_of_classes(subject):
        same = next((own for own in (classes, names) if sorted(own) == sorted(given)), ())
        number = {name: k for k, name in enumerate(same)}
        if len(number) == len(classes):
            yield description, [number[name] for name in given]
    images = subject.suite.examples(CLEAN)
    pairs = {(example.label, PurePosixPath(example.name).parent.name) for example in images}
    folder_of = dict(sorted(pairs))
    is_one_each = len(pairs) == len(set(folder_of.values())) == len(classes)
    rules: tuple[tuple[str, Sequence[str], str, Callable[[str], Any]], ...] = (
        ("class names", classes, "as text", str),
        ("class names", classes, "ignoring case", str.casefold),
        ("class names", classes, "with their numbers as numbers", _natural),
        ("folder names", [*folder_of.values()] if is_one_each else (), "as text", str),
        ("readable class names", names, "as text", str),
        ("readable class names", names, "ignoring case", str.casefold),
    )
    for what, texts, rule, key in rules:
        if texts:
            keys = [key(text) for text in texts]
            yield f"the order of the {what}, sorted {rule}", sorted(range(len(keys)), key=keys.__getitem__)
    yield "the suite's order reversed", range(len(classes))[::-1]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts `class2` before `class10`."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def _lists_of_classes(subject: ModelUnderTest) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the class lists of the user and in the module: timm's label names, `class_to_idx`."""
    if subject.order is not None:
        yield "the supplied order", subject.order
    module = subject.classifier.module
    config: Any = getattr(module, "pretrained_cfg", None)
    label_names = config.get("label_names") if isinstance(config, Mapping) else None
    if isinstance(label_names, (list, tuple)):
        yield "the order of the model's own label_names", tuple(map(str, label_names))
    class_to_idx = getattr(module, "class_to_idx", None)
    if isinstance(class_to_idx, Mapping):
        ranked = sorted(class_to_idx.items(), key=lambda item: int(item[1]))
        yield "the order of the model's own class_to_idx", tuple(str(name) for name, _ in ranked)


def estimated_order(n_classes: int, label: NDArray[np.int64], predicted: NDArray[np.int64]) -> ClassOrder:
    """Return the order in which most answers are right.

    Of several orders, the one with the most classes at their own output.

    Args:
        n_classes: number of classes.
        label: (N,) classes of images.
        predicted: (N,) highest outputs.

    >>> estimated_order(2, np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])).classes
    (1, 0)
    """
    counts = np.eye(n_classes) / (n_classes + 1)  # less than one answer for all classes together
    np.add.at(counts, (predicted, label), 1)
    order = scipy.optimize.linear_sum_assignment(counts, maximize=True)[1]
    return ClassOrder("an order without a rule", tuple(order.tolist()), is_estimated=True)


def order_finding(subject: ModelUnderTest, better: BetterOrder, *, is_fixed: bool) -> Finding:
    """Return the finding for a wrong class order.

    An estimated order is proposed only if the user asks for one: another error can look like it.

    Args:
        subject: the model under examination.
        better: the order.
        is_fixed: the order was found with a better preprocessing than the one in use.
    """
    order = better.order
    in_order = "in that one"
    problem = f"the model's outputs are in another class order than the suite's: in {order.description}."
    fix = _fix(subject, order)
    if order.is_estimated and not subject.estimate_order:
        problem = "the model's outputs look permuted."
        in_order = "in an estimated one"
        fix = "compare the class list with that of training; quba-check doctor --order estimates the order"
    fixed = "with the fixed preprocessing, " if is_fixed else ""
    before = f"{fixed}on {better.n} clean images accuracy {better.before:.3f} in the suite's order"
    return subject.finding("class order", problem, f"{before}, {better.after:.3f} {in_order}", fix)


def supplied_order_finding(subject: ModelUnderTest) -> Finding | None:
    """Return the finding for a supplied order without each of the suite's classes exactly once."""
    if subject.order is None:
        return None
    classes = subject.suite.classes
    names = subject.suite.class_names
    order = subject.order
    if sorted(order) in (sorted(classes), sorted(names)):
        return None
    unknown = next((name for name in order if name not in classes and name not in names), None)
    problem = (
        f"got {len(order)} names, {len({*order})} of them different; the suite has {len(classes)} classes."
    )
    if unknown is not None:
        problem = (
            f"'{unknown}' is not a class of the suite. {did_you_mean(unknown, [*classes, *names])}".rstrip()
        )
    return Finding(
        check="class order",
        problem=f"--order: {problem}",
        evidence="",
        fix=f"write each class of the suite on a line of its own: {listed(classes, 5)}",
    )


def _fix(subject: ModelUnderTest, order: ClassOrder) -> str:
    classes = subject.suite.classes
    positive = subject.suite.head.positive
    if positive is not None:
        return f"state positive: {classes[1 - positive]} in quba-data.yaml, if the model has one output"
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
    names = ", ".join(classes[k] for k in order.classes[:_SHOWN]) + (", …" if len(classes) > _SHOWN else "")
    return (
        f"list the classes in quba-data.yaml in the order of the model's outputs\nclasses: [{names}]\n"
        "labels written as numbers refer to that list, so write names instead"
    )
