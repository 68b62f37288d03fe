"""The manifest's key `restrict`, and subsets of ImageNet's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from quba_check.core.head import Head
from quba_check.errors import SuiteError
from quba_check.messages import did_you_mean, listed
from quba_check.strict_yaml import Document
from quba_check.suites.class_list import SHOWN, ClassList
from quba_check.suites.label_spaces import imagenet_classes, imagenet_titles
from quba_check.suites.manifest.definitions import read_classes
from quba_check.suites.manifest.schema import ManifestEntry

Index = Mapping[str, tuple[int, ...]]
"""Positions of classes by name."""


def restriction(
    document: Document, entry: ManifestEntry, classes: ClassList | None
) -> tuple[Head | None, ClassList | None]:
    """Return the restricted head of a manifest, and its classes with readable names.

    A class is matched by its name (for ImageNet its synset), else by its readable name or first synonym, with
    blanks for underscores.

    Args:
        document: the manifest.
        entry: its content.
        classes: the suite's classes; None for all of ImageNet's.

    Raises:
        SuiteError: the models' classes cannot be read, or a class of the suite matches none or several.
    """
    if entry.restrict is False:
        return None, classes
    if isinstance(entry.restrict, str):
        whole, source = read_classes(document, entry.restrict, "restrict"), entry.restrict
    elif classes is None:
        where = document.at(("restrict",))
        raise SuiteError(
            f"{where}: restrict: classes: imagenet keeps all of ImageNet's classes. List the classes to "
            "score under classes, or remove restrict."
        )
    else:
        whole, source = _imagenet(), "ImageNet"
    names = imagenet_classes() if classes is None else classes.names
    columns = _columns(document, names, whole, source)
    if classes is not None:
        titles = [
            _first_synonym(whole.titles[column]) if title == name == whole.names[column] else title
            for name, title, column in zip(classes.names, classes.titles, columns, strict=True)
        ]
        classes = ClassList(classes.names, tuple(titles))
    return Head(len(names), columns, len(whole)), classes


def is_subset_of_imagenet(names: Sequence[str]) -> bool:
    """Return True if the names are those of a proper subset of ImageNet's classes."""
    index = _index(_imagenet())
    columns = [_positions(name, index) for name in names]
    is_known = all(len(positions) == 1 for positions in columns)
    return is_known and len(set(columns)) == len(names) < len(imagenet_classes())


def _columns(document: Document, names: Sequence[str], whole: ClassList, source: str) -> tuple[int, ...]:
    index = _index(whole)
    taken: dict[int, str] = {}
    for number, name in enumerate(names):
        positions = _positions(name, index)
        if len(positions) == 1 and positions[0] not in taken:
            taken[positions[0]] = name
            continue
        is_list = isinstance(document.data["classes"], list)
        where = f"{document.at(('classes', number if is_list else name))}: classes: '{name}'"
        if not positions:
            raise SuiteError(
                f"{where} is not a class of {source}, which restrict refers to.{did_you_mean(name, index)} "
                f"Allowed: {listed(whole.names, SHOWN)}."
            )
        same = [whole.names[position] for position in positions]
        if len(positions) > 1:
            raise SuiteError(f"{where} names {len(same)} classes of {source}", allowed=listed(same))
        raise SuiteError(
            f"{where} is the same class of {source} as '{taken[positions[0]]}' ({same[0]})",
            hint="Remove one of them.",
        )
    return tuple(taken)


def _positions(name: str, index: Index) -> tuple[int, ...]:
    return index.get(name) or index.get(name.replace("_", " "), ())


@lru_cache(maxsize=4)
def _index(classes: ClassList) -> Index:
    readable: dict[str, tuple[int, ...]] = {}
    for position, title in enumerate(classes.titles):
        for name in dict.fromkeys((title, _first_synonym(title))):
            readable[name] = (*readable.get(name, ()), position)
    return readable | {name: (position,) for position, name in enumerate(classes.names)}


def _first_synonym(title: str) -> str:
    return title.partition(",")[0]


def _imagenet() -> ClassList:
    return ClassList(imagenet_classes(), imagenet_titles())
