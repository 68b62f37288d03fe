"""Candidates for the class order of a model's outputs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

Columns = NDArray[np.int64]
"""(C,) the model's output for each class of the suite."""
_LATER = "the suite's order, shifted by one output, as after a background class"
_EARLIER = "the suite's order, shifted back by one output, as without the first class"


@dataclass(frozen=True, slots=True)
class ClassOrder:
    """An order of the classes.

    Attributes:
        description: the order, as the end of "the model's outputs are in".
        classes: the suite's classes, in the order of the model's outputs.
        shift: number of outputs by which all classes are shifted; 0 for any other order.
        is_estimated: it comes from the answers, not from names.
    """

    description: str
    classes: tuple[str, ...]
    shift: int = 0
    is_estimated: bool = False

    def columns(self, classes: Sequence[str]) -> Columns:
        """Return the output of each of the suite's classes."""
        position = {name: k for k, name in enumerate(self.classes)}
        return np.array([position[name] for name in classes], dtype=np.int64)


def plausible_orders(
    classes: Sequence[str],
    names: Sequence[str],
    folders: Mapping[int, str],
    supplied: Iterable[tuple[str, Sequence[str]]],
) -> tuple[ClassOrder, ...]:
    """Return common orders, each once, without the suite's own.

    Args:
        classes: the suite's class list.
        names: readable names of these classes, in the same order; empty if there are none.
        folders: name of the folder with a class's images, by class number.
        supplied: descriptions with further lists of these classes, or of their readable names.
    """
    described: list[tuple[str, Sequence[str]]] = []
    for description, given in supplied:
        same = next((own for own in (classes, names) if sorted(own) == sorted(given)), ())
        if len(set(same)) == len(classes):
            class_of = dict(zip(same, classes, strict=True))
            described.append((description, [class_of[name] for name in given]))
    prefix = "the order of the class names, sorted"
    described += [
        (f"{prefix} as text", sorted(classes)),
        (f"{prefix} ignoring case", sorted(classes, key=str.casefold)),
        (f"{prefix} with their numbers as numbers", sorted(classes, key=_natural)),
    ]
    if len(folders) == len(classes):
        ranks = sorted(folders, key=lambda k: folders[k])
        described.append(("the order of the folder names, sorted as text", [classes[k] for k in ranks]))
    if len(names) == len(classes):
        for suffix, key in (("as text", str), ("ignoring case", str.casefold)):
            ranks = sorted(range(len(classes)), key=lambda k: key(names[k]))
            ordered = [classes[k] for k in ranks]
            described.append((f"the order of the readable class names, sorted {suffix}", ordered))
    described.append(("the suite's order reversed", classes[::-1]))
    orders = {tuple(classes): ClassOrder("", tuple(classes))}
    for description, order in described:
        orders.setdefault(tuple(order), ClassOrder(description, tuple(order)))
    for shift, description in ((1, _LATER), (-1, _EARLIER)):
        rolled = tuple(classes[-shift:]) + tuple(classes[:-shift])
        orders.setdefault(rolled, ClassOrder(description, rolled, shift))
    return tuple(orders.values())[1:]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts `class2` before `class10`."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def class_orders_in_model(module: nn.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the class lists in a module with descriptions: timm's label names, `class_to_idx`."""
    config: Any = getattr(module, "pretrained_cfg", None)
    label_names = config.get("label_names") if isinstance(config, Mapping) else None
    if isinstance(label_names, (list, tuple)):
        yield "the order of the model's own label_names", tuple(map(str, label_names))
    class_to_idx = getattr(module, "class_to_idx", None)
    if isinstance(class_to_idx, Mapping):
        ranked = sorted(class_to_idx.items(), key=lambda item: int(item[1]))
        yield "the order of the model's own class_to_idx", tuple(str(name) for name, _ in ranked)


def estimated_order(
    classes: Sequence[str], label: NDArray[np.int64], predicted: NDArray[np.int64]
) -> ClassOrder | None:
    """Return the order that matches each class with its most frequent output.

    A class and an output match if each is the other's most frequent partner. Classes without a match keep
    their own output if it is free, and take the remaining ones otherwise.

    Args:
        classes: the suite's class list.
        label: (N,) classes of images.
        predicted: (N,) highest outputs.

    Returns:
        The order; None if it is the suite's own.

    >>> estimated_order(["a", "b"], np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])).classes
    ('b', 'a')
    """
    pairs = Counter(zip(label.tolist(), predicted.tolist(), strict=True))
    of_label: dict[int, int] = {}
    of_output: dict[int, int] = {}
    for (k, output), _ in pairs.most_common():
        of_label.setdefault(k, output)
        of_output.setdefault(output, k)
    column = {k: output for k, output in of_label.items() if of_output[output] == k}
    free = set(range(len(classes))) - set(column.values())
    unmatched = [k for k in range(len(classes)) if k not in column]
    for k in unmatched:
        if k in free:
            column[k] = k
            free.discard(k)
    column |= dict(zip((k for k in unmatched if k not in column), sorted(free), strict=True))
    order = tuple(classes[k] for k in sorted(column, key=column.__getitem__))
    return (
        None if order == tuple(classes) else ClassOrder("an order without a rule", order, is_estimated=True)
    )
