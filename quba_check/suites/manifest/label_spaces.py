"""Label spaces that a manifest defines, and the references to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from quba_check.core.label_space import LabelSpace
from quba_check.errors import SuiteError, did_you_mean, listed
from quba_check.strict_yaml import Document, Location, dotted_path
from quba_check.suites.class_list import ClassList
from quba_check.suites.label_spaces import BUILT_IN_SPACES, IMAGENET, built_in_space, imagenet_classes
from quba_check.suites.manifest.schema import ManifestEntry, SpaceEntry

OWN_SPACE = "own"
_SHOWN_CLASSES = 10


def defined_spaces(
    document: Document, entry: ManifestEntry, classes: ClassList | None
) -> dict[str, LabelSpace]:
    """The label spaces under `spaces`, by name.

    Args:
        document: the manifest.
        entry: its content.
        classes: the model's classes; None for ImageNet's.

    Raises:
        SuiteError: a name is taken or unknown, a class is unknown or belongs twice, a class has no members.
    """
    spaces = {}
    for name, definition in entry.spaces.items():
        location = ("spaces", name)
        if name == OWN_SPACE or name in BUILT_IN_SPACES:
            where = document.at_key(location)
            raise SuiteError(
                f"{where}: spaces: the name '{name}' is taken. Give the label space another name."
            )
        if isinstance(definition, str):
            check_reference(document, location, definition, entry, {})
            spaces[name] = replace(built_in_space(definition), name=name)
        else:
            spaces[name] = _space(document, location, definition, own_classes(classes))
    return spaces


def own_classes(classes: ClassList | None) -> Sequence[str]:
    """Names of the model's classes, which are ImageNet's where there is no other list."""
    return imagenet_classes() if classes is None else classes.names


def check_reference(
    document: Document,
    location: Location,
    name: str,
    entry: ManifestEntry,
    defined: Mapping[str, LabelSpace],
) -> None:
    """Refuse a name of a label space that is neither defined nor built in for these classes.

    Raises:
        SuiteError: with the line of the name.
    """
    is_imagenet = entry.classes == IMAGENET
    if name in defined or (is_imagenet and name in BUILT_IN_SPACES):
        return
    where = f"{document.at(location)}: {dotted_path(location)}"
    if name in BUILT_IN_SPACES:
        raise SuiteError(
            f"{where}: '{name}' reads ImageNet's classes. Allowed: only with classes: {IMAGENET}."
        )
    known = (*defined, *(BUILT_IN_SPACES if is_imagenet else ()))
    allowed = f"Allowed: {listed(known)}." if known else "Define it under spaces."
    raise SuiteError(f"{where}: unknown label space '{name}'.{did_you_mean(name, known)} {allowed}")


def _space(
    document: Document, location: tuple[str, str], definition: SpaceEntry, classes: Sequence[str]
) -> LabelSpace:
    numbers = {name: number for number, name in enumerate(classes)}
    owner: dict[str, str] = {}
    for label, members in definition.members.items():
        _check_members(document, (*location, label), members, numbers, owner)
    if len(definition.members) < 2:
        where = f"{document.at(location)}: {dotted_path(location)}"
        raise SuiteError(f"{where}: got {len(definition.members)} classes. Allowed: two or more.")
    return LabelSpace(
        name=location[1],
        classes=tuple(definition.members),
        members=tuple(tuple(numbers[name] for name in members) for members in definition.members.values()),
        by=definition.by,
    )


def _check_members(
    document: Document,
    location: tuple[str, str, str],
    members: Sequence[str],
    classes: Mapping[str, int],
    owner: dict[str, str],
) -> None:
    """Refuse members that are no classes of the model or belong to a class of the space already."""
    path = dotted_path(location)
    if not members:
        raise SuiteError(f"{document.at(location)}: {path}: got no classes. Allowed: one or more.")
    for place, member in enumerate(members):
        if member not in classes:
            where = document.at((*location, place))
            allowed = listed(classes, _SHOWN_CLASSES)
            near = did_you_mean(member, classes)
            raise SuiteError(f"{where}: {path}: unknown class '{member}'.{near} Allowed: {allowed}.")
        if member in owner:
            where = document.at((*location, place))
            raise SuiteError(f"{where}: {path}: '{member}' belongs to '{owner[member]}' already.")
        owner[member] = location[2]
