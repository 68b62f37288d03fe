"""Classes, label spaces, prompts and the key `restrict` of a manifest; subsets of ImageNet's classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from quba_check.core.classes import PLACE, Head, LabelSpace, Prompts
from quba_check.errors import SuiteError
from quba_check.messages import did_you_mean, known_names, listed
from quba_check.storage.user_files import read_text
from quba_check.strict_yaml import Document, Location, describe, dotted_path
from quba_check.suites.label_spaces import (
    BUILT_IN_SPACES,
    IMAGENET,
    SHOWN,
    ClassList,
    built_in_space,
    imagenet_classes,
    imagenet_list,
    normal_form,
)
from quba_check.suites.manifest.schema import ManifestEntry, SpaceEntry

OWN_SPACE = "own"
Index = Mapping[str, tuple[int, ...]]
"""Positions of classes by name."""


def error_at(document: Document, location: Location, problem: str = "", **pieces: str) -> SuiteError:
    """Return an error about a value of a manifest, with its line and path."""
    return SuiteError(problem, where=f"{document.at(location)}: {dotted_path(location)}", **pieces)


def define_classes(document: Document, entry: ManifestEntry) -> ClassList:
    """Return the classes under `classes` in order.

    Text is the name of a file next to the manifest: a class a line, and after a tab its readable name.

    Raises:
        SuiteError: there are fewer than two, one is listed twice, or the file cannot be read.
    """
    if entry.classes == IMAGENET:
        return imagenet_list()
    if isinstance(entry.classes, str):
        return read_classes(document, entry.classes, "classes")
    _check_count(f"{document.at(('classes',))}: classes", len(entry.classes))
    steps = entry.classes if isinstance(entry.classes, dict) else range(len(entry.classes))
    lines = (document.key_line(("classes", step)) for step in steps)
    _check_repeated(zip(entry.classes, lines, strict=True), document.label, "classes: ")
    if isinstance(entry.classes, dict):
        return ClassList(tuple(entry.classes), tuple(entry.classes.values()))
    return ClassList.plain(entry.classes)


def read_classes(document: Document, name: str, key: str) -> ClassList:
    """Read the classes in a text file next to the manifest.

    Args:
        document: the manifest.
        name: the file.
        key: the manifest's key for the file.

    Raises:
        SuiteError: there are fewer than two, one is listed twice, or the file cannot be read.
    """
    path = document.path.parent / name
    text = read_text(path, f"{document.at((key,))}: {key}: {path}", SuiteError)
    rows = {line: row.partition("\t") for line, row in enumerate(text.splitlines(), 1) if row.strip()}
    names = tuple(name.strip() for name, _, _ in rows.values())
    _check_repeated(zip(names, rows, strict=True), str(path), "")
    _check_count(str(path), len(names))
    titles = (title.strip() or name for name, (_, _, title) in zip(names, rows.values(), strict=True))
    return ClassList(names, tuple(titles))


def _check_count(where: str, count: int) -> None:
    if count < 2:
        raise SuiteError(where=where, got="one class" if count else "no classes", allowed="two or more")


def _check_repeated(names: Iterable[tuple[str, int]], label: str, path: str) -> None:
    first: dict[str, int] = {}
    for name, line in names:
        key = normal_form(name)
        if key in first:
            raise SuiteError(
                f"{path}'{name}' is listed twice, first in line {first[key]}.", where=f"{label}:{line}"
            )
        first[key] = line


def define_spaces(document: Document, entry: ManifestEntry, classes: ClassList) -> dict[str, LabelSpace]:
    """Return the label spaces under `spaces`, by name.

    Args:
        document: the manifest.
        entry: its content.
        classes: the suite's classes.

    Raises:
        SuiteError: a name is taken or unknown, a class is unknown or belongs to two, a class has no members.
    """
    spaces = {}
    for name, definition in entry.spaces.items():
        location = ("spaces", name)
        if name == OWN_SPACE or name in BUILT_IN_SPACES:
            raise SuiteError(
                f"the name '{name}' is taken. Give the label space another name.",
                where=f"{document.at_key(location)}: spaces",
            )
        if isinstance(definition, str):
            check_reference(document, location, definition, entry, {})
            spaces[name] = replace(built_in_space(definition), name=name)
        else:
            spaces[name] = _space(document, location, definition, classes)
    return spaces


def check_reference(
    document: Document, location: Location, name: str, entry: ManifestEntry, defined: Mapping[str, LabelSpace]
) -> None:
    """Check that a label space is defined, or built in for these classes.

    Raises:
        SuiteError: it is neither.
    """
    is_imagenet = entry.classes == IMAGENET
    if name in defined or (is_imagenet and name in BUILT_IN_SPACES):
        return
    if name in BUILT_IN_SPACES:
        raise error_at(
            document, location, f"'{name}' reads ImageNet's classes", allowed=f"only with classes: {IMAGENET}"
        )
    names = (*defined, *(BUILT_IN_SPACES if is_imagenet else ()))
    pieces = known_names(name, names) if names else {"hint": "Define it under spaces."}
    raise error_at(document, location, f"unknown label space '{name}'", **pieces)


def _space(
    document: Document, location: tuple[str, str], definition: SpaceEntry, known: ClassList
) -> LabelSpace:
    numbers: list[tuple[int, ...]] = []
    owner: dict[str, str] = {}
    for label, members in definition.members.items():
        path = (*location, label)
        if not members:
            raise error_at(document, path, got="no classes", allowed="one or more")
        for position, member in enumerate(map(normal_form, members)):
            where = f"{document.at((*path, position))}: {dotted_path(path)}"
            if member not in known.numbers:
                raise SuiteError(where=where, **known.unknown("class", member))
            if member in owner:
                raise SuiteError(f"'{member}' already belongs to '{owner[member]}'.", where=where)
            owner[member] = label
        numbers.append(tuple(known.numbers[normal_form(member)] for member in members))
    _check_count(f"{document.at(location)}: {dotted_path(location)}", len(definition.members))
    return LabelSpace(location[1], tuple(definition.members), tuple(numbers), definition.by)


def define_prompts(document: Document, entry: ManifestEntry, classes: ClassList) -> Prompts:
    """Return the prompts under `prompts`; classes without a name there get their readable name.

    Args:
        document: the manifest.
        entry: its content.
        classes: the suite's classes.

    Raises:
        SuiteError: a template has no place for the name, a class is unknown, a name is empty or repeated.
    """
    pairs = () if entry.classes == IMAGENET else zip(classes.names, classes.titles, strict=True)
    readable = {name: title for name, title in pairs if title != name}
    if entry.prompts is None:
        return Prompts(names=readable)
    _check_templates(document, entry.prompts.templates)
    if entry.prompts.names:
        _check_names(document, entry.prompts.names, classes)
    return Prompts(tuple(entry.prompts.templates or ()), readable | entry.prompts.names)


def _check_templates(document: Document, templates: list[str] | None) -> None:
    location: Location = ("prompts", "templates")
    if templates == []:
        raise error_at(document, location, got="an empty list", allowed="one template or more")
    for number, template in enumerate(templates or ()):
        if PLACE not in template:
            raise error_at(
                document,
                (*location, number),
                "has no place for the name of the class",
                got=describe(template),
                allowed="text with {} in it, such as 'a photo of a {}.'",
            )


def _check_names(document: Document, names: dict[str, str], classes: ClassList) -> None:
    owner: dict[str, str] = {}
    for key, name in names.items():
        location: Location = ("prompts", "names", key)
        if key not in classes.names:
            raise SuiteError(
                where=f"{document.at_key(location)}: prompts.names", **classes.unknown("class", key)
            )
        if not name.strip():
            raise error_at(document, location, got="an empty name", allowed="text")
        if name in owner:
            raise error_at(document, location, f"'{name}' is already the name of '{owner[name]}'.")
        owner[name] = key


def define_restriction(
    document: Document, entry: ManifestEntry, classes: ClassList
) -> tuple[Head | None, ClassList]:
    """Return the restricted head of a manifest, and its classes with readable names.

    A class is matched by its name (for ImageNet its synset), else by its readable name or first synonym, with
    blanks for underscores. If none or several match, its readable name in the manifest decides likewise.

    Args:
        document: the manifest.
        entry: its content.
        classes: the suite's classes.

    Raises:
        SuiteError: the models' classes cannot be read, or a class of the suite matches none or several.
    """
    if entry.restrict is False:
        return None, classes
    if isinstance(entry.restrict, str):
        whole = read_classes(document, entry.restrict, "restrict")
        source = entry.restrict
    elif entry.classes == IMAGENET:
        raise error_at(
            document,
            ("restrict",),
            "classes: imagenet keeps all of ImageNet's classes",
            hint="List the classes to score under classes, or remove restrict.",
        )
    else:
        whole = imagenet_list()
        source = "ImageNet"
    columns = _columns(document, classes, whole, source)
    readable = [_first_synonym(title) for title in whole.titles]
    titles = [
        title if title != whole.names[column] else readable[column] if title == name else name
        for name, title, column in zip(classes.names, classes.titles, columns, strict=True)
    ]
    return Head(len(classes), columns, len(whole)), ClassList(classes.names, tuple(titles))


def is_subset_of_imagenet(names: Sequence[str]) -> bool:
    """Return True if the names are those of a proper subset of ImageNet's classes."""
    index = _index(imagenet_list())
    columns = [_positions(name, index) for name in names]
    is_known = all(len(positions) == 1 for positions in columns)
    return is_known and len(set(columns)) == len(names) < len(imagenet_classes())


def _columns(document: Document, classes: ClassList, whole: ClassList, source: str) -> tuple[int, ...]:
    index = _index(whole)
    taken: dict[int, str] = {}
    for number, (name, title) in enumerate(zip(classes.names, classes.titles, strict=True)):
        positions = _positions(name, index)
        if len(positions) != 1:
            stated = _positions(title, index)
            positions = tuple(position for position in stated if position in positions) or positions or stated
        if len(positions) == 1 and positions[0] not in taken:
            taken[positions[0]] = name
            continue
        is_list = isinstance(document.data["classes"], list)
        where = f"{document.at(('classes', number if is_list else name))}: classes: '{name}'"
        if not positions:
            raise SuiteError(
                f"{where} is not a class of {source}, which restrict refers to",
                allowed=listed(whole.names, SHOWN),
                hint=did_you_mean(name, index),
            )
        same = [whole.names[position] for position in positions]
        if len(positions) > 1:
            raise SuiteError(
                f"{where} names {len(same)} classes of {source}",
                allowed=listed(f"{own} (output {place})" for own, place in zip(same, positions, strict=True)),
                hint=f"Name one, as in classes: {{{name}: {same[0]}}}.",
            )
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
