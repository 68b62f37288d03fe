"""Orders in which a model's outputs may list the classes of a suite."""

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
"""(C,) for each class of the suite: which output of the model means it."""


@dataclass(frozen=True, slots=True)
class ClassOrder:
    """An order of the classes.

    Attributes:
        words: what order it is, as the end of "the model's outputs are in".
        classes: the suite's classes, in the order of the model's outputs.
        shift: how many outputs further on a class stands, where that is all.
    """

    words: str
    classes: tuple[str, ...]
    shift: int = 0

    def columns(self, classes: Sequence[str]) -> Columns:
        """For each of the suite's classes the output that means it."""
        position = {name: k for k, name in enumerate(self.classes)}
        return np.array([position[name] for name in classes], dtype=np.int64)


def plausible_orders(
    classes: Sequence[str],
    *,
    names: Sequence[str] = (),
    folders: Mapping[int, str] | None = None,
    supplied: Iterable[tuple[str, Sequence[str]]] = (),
) -> tuple[ClassOrder, ...]:
    """Orders that people and libraries come by, each once, without the suite's own.

    Args:
        classes: the suite's class list.
        names: readable names of these classes, in the same order.
        folders: name of the folder that holds a class's images, by class number.
        supplied: further lists of these classes, or of their readable names, with words for each.
    """
    found: dict[tuple[str, ...], ClassOrder] = {tuple(classes): ClassOrder("", tuple(classes))}
    for words, order in _all(classes, names, folders or {}, supplied):
        found.setdefault(tuple(order), ClassOrder(words, tuple(order)))
    for shift, words in ((1, _LATER), (-1, _EARLIER)):
        rolled = tuple(classes[-shift:]) + tuple(classes[:-shift])
        found.setdefault(rolled, ClassOrder(words, rolled, shift))
    return tuple(found.values())[1:]


_LATER = "the suite's order, but one output further on, as behind a background class"
_EARLIER = "the suite's order, but one output earlier, as where the first class is left out"


def _all(
    classes: Sequence[str],
    names: Sequence[str],
    folders: Mapping[int, str],
    supplied: Iterable[tuple[str, Sequence[str]]],
) -> Iterator[tuple[str, Sequence[str]]]:
    for words, listed in supplied:
        if (translated := _translated(listed, classes, names)) is not None:
            yield words, translated
    yield "the order of the class names, sorted as text", sorted(classes)
    yield "the order of the class names, sorted without regard to case", sorted(classes, key=str.casefold)
    yield "the order of the class names, sorted with their numbers as numbers", sorted(classes, key=_natural)
    if len(folders) == len(classes):
        by_folder = sorted(folders, key=lambda k: folders[k])
        yield "the order of the folder names, sorted as text", [classes[k] for k in by_folder]
    if len(names) == len(classes):
        for words, key in ((" as text", str), (" without regard to case", str.casefold)):
            ranks = sorted(range(len(classes)), key=lambda k: key(names[k]))
            yield f"the order of the readable class names, sorted{words}", [classes[k] for k in ranks]
    yield "the suite's order backwards", classes[::-1]


def _translated(listed: Sequence[str], classes: Sequence[str], names: Sequence[str]) -> list[str] | None:
    """The suite's classes in the order of a list of them or of their readable names; None if it is none."""
    for known in (classes, names):
        if sorted(known) == sorted(listed) and len(set(known)) == len(classes):
            position = {name: k for k, name in enumerate(known)}
            return [classes[position[name]] for name in listed]
    return None


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts `class2` before `class10`."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def class_orders_in_model(module: nn.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Class lists that a module brings along, with words for each: timm's label names, `class_to_idx`."""
    config: Any = getattr(module, "pretrained_cfg", None)
    labels = config.get("label_names") if isinstance(config, Mapping) else None
    if isinstance(labels, (list, tuple)):
        yield "the order of the model's own label_names", tuple(map(str, labels))
    numbers = getattr(module, "class_to_idx", None)
    if isinstance(numbers, Mapping):
        ranked = sorted(numbers.items(), key=lambda item: int(item[1]))
        yield "the order of the model's own class_to_idx", tuple(str(name) for name, _ in ranked)


def estimated_order(
    classes: Sequence[str], label: NDArray[np.int64], top1: NDArray[np.int64]
) -> ClassOrder | None:
    """The order that answers suggest: class and output go together where each is the other's most frequent.

    Args:
        classes: the suite's class list.
        label: (N,) classes of images.
        top1: (N,) the outputs that were highest.

    Returns:
        The order, with classes that nothing is known of left where they are as far as that is free; None if
        it is the suite's own.

    >>> estimated_order(["a", "b"], np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])).classes
    ('b', 'a')
    """
    pairs = Counter(zip(label.tolist(), top1.tolist(), strict=True))
    of_label: dict[int, int] = {}
    of_output: dict[int, int] = {}
    for (k, output), _ in pairs.most_common():
        of_label.setdefault(k, output)
        of_output.setdefault(output, k)
    column = {k: output for k, output in of_label.items() if of_output[output] == k}
    free = set(range(len(classes))) - set(column.values())
    left = [k for k in range(len(classes)) if k not in column]
    for k in [k for k in left if k in free]:
        column[k] = k
        free.discard(k)
    column |= dict(zip((k for k in left if k not in column), sorted(free), strict=True))
    order = tuple(classes[k] for k in sorted(column, key=column.__getitem__))
    return None if order == tuple(classes) else ClassOrder("an order that no rule of names gives", order)
