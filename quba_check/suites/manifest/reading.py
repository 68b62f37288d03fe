"""The manifest of a suite, `quba-data.yaml`: which labelled image sets there are and how they are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from quba_check.core.head import Head
from quba_check.core.label_space import LabelSpace
from quba_check.core.prompts import Prompts
from quba_check.core.view import (
    CLEAN_SET,
    CORRUPTIONS_SET,
    CUE_CONFLICT_SET,
    MIXED_RAND_SET,
    MIXED_SAME_SET,
)
from quba_check.errors import SuiteError, listed
from quba_check.strict_yaml import Document, Location, read_yaml, validate
from quba_check.suites.class_list import ClassList
from quba_check.suites.manifest.classes import defined_classes
from quba_check.suites.manifest.declared_set import DeclaredSet, Source
from quba_check.suites.manifest.label_spaces import check_reference, defined_spaces, own_classes
from quba_check.suites.manifest.prompts import defined_prompts
from quba_check.suites.manifest.schema import ManifestEntry, SetEntries
from quba_check.suites.manifest.set_schema import CorruptionsEntry, CueConflictEntry, SetEntry
from quba_check.suites.restriction import restriction

_SINGLE_SETS = (CLEAN_SET, MIXED_SAME_SET, MIXED_RAND_SET, CUE_CONFLICT_SET)
_SHIFT_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PART_ENDINGS = ("_accuracy", "_matched")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest without mistakes.

    Attributes:
        shown: how messages call the file.
        name: the suite's name.
        classes: the suite's classes; None for ImageNet's, which are looked up when they are needed.
        image_size: side of the default preparation in pixels; None leaves it to the model.
        sets: by name.
        shifts: names of the shifts among them, in the file's order.
        spaces: label spaces that the file defines.
        prompts: words for zero-shot models.
        head: outputs of the models, if only those of `classes` count; None if they are the classes.
        assumed: added to messages about the images if the folder has no manifest and this one is assumed.
    """

    shown: str
    name: str
    classes: ClassList | None
    image_size: int | None
    sets: Mapping[str, DeclaredSet]
    shifts: tuple[str, ...]
    spaces: Mapping[str, LabelSpace]
    prompts: Prompts
    head: Head | None = None
    assumed: str = ""


def read_manifest(path: Path, shown: str) -> Manifest:
    """Read and check a manifest; no image and no folder of images is looked at.

    Args:
        path: the file.
        shown: how messages call it.

    Raises:
        SuiteError: with file and line, for every mistake in it.
    """
    document = read_yaml(path, shown, SuiteError)
    entry = validate(document, ManifestEntry)
    classes = defined_classes(document, entry)
    prompts = _prompts(document, entry, classes)
    head, classes = restriction(document, entry, classes)
    _check_shift_names(document, entry.sets)
    _check_clean(document, entry.sets)
    _check_corruptions(document, entry.sets)
    spaces = defined_spaces(document, entry, classes)
    sets = {declared.name: declared for declared in _declared(entry.sets)}
    for declared in sets.values():
        if declared.space is not None:
            place = ("sets", "shifts") if declared.name in entry.sets.shifts else ("sets",)
            check_reference(document, (*place, declared.name, "space"), declared.space, entry, spaces)
    return Manifest(
        shown=shown,
        name=entry.name,
        classes=classes,
        image_size=entry.image_size,
        sets=sets,
        shifts=tuple(entry.sets.shifts),
        spaces=spaces,
        prompts=prompts,
        head=head,
    )


def _prompts(document: Document, entry: ManifestEntry, classes: ClassList | None) -> Prompts:
    """What stands under `prompts`; a class without a name there goes by its readable name."""
    prompts = defined_prompts(document, entry.prompts, lambda: own_classes(classes))
    pairs = () if classes is None else zip(classes.names, classes.titles, strict=True)
    readable = {name: title for name, title in pairs if title != name}
    return replace(prompts, names=readable | dict(prompts.names))


def is_shift_name(name: str) -> bool:
    """Return True if a manifest allows this name for a shift."""
    is_taken = name in (*_SINGLE_SETS, CORRUPTIONS_SET)
    return not is_taken and bool(_SHIFT_NAME.fullmatch(name)) and not name.endswith(_PART_ENDINGS)


def _check_shift_names(document: Document, sets: SetEntries) -> None:
    """A shift's name is a part of ood_robustness, beside `<name>_accuracy` and `<name>_matched`."""
    for name in sets.shifts:
        allowed = None
        if name in (*_SINGLE_SETS, CORRUPTIONS_SET):
            allowed = "names that no other set has"
        elif not _SHIFT_NAME.fullmatch(name):
            allowed = "lower-case letters, digits and _, with a letter first"
        elif name.endswith(_PART_ENDINGS):
            allowed = f"names that do not end in {' or '.join(_PART_ENDINGS)}"
        if allowed:
            where = document.at_key(("sets", "shifts", name))
            raise SuiteError(f"{where}: sets.shifts: got the name '{name}'. Allowed: {allowed}.")


def _check_clean(document: Document, sets: SetEntries) -> None:
    if sets.clean is not None and sets.clean.space is not None:
        text = (
            "sets.clean.space: clean images are labelled in the model's own classes, got "
            f"'{sets.clean.space}'. Remove the key."
        )
        raise _wrong(document, ("sets", CLEAN_SET, "space"), text)


def _check_corruptions(document: Document, sets: SetEntries) -> None:
    if sets.corruptions is None:
        return
    where = ("sets", CORRUPTIONS_SET)
    given = set(sets.corruptions.model_dump(exclude_none=True, exclude_unset=True))
    if "generate" not in given:
        if not {"reader", "path"} <= given:
            got = listed(sorted(given)) or "nothing"
            text = f"sets.corruptions: got {got}. Allowed: reader and path, or generate: from clean."
            raise _wrong(document, where, text)
        if sets.corruptions.partial and sets.corruptions.reader != "folder":
            text = (
                f"sets.corruptions.partial: belongs to reader: folder, got reader: {sets.corruptions.reader}."
            )
            raise _wrong(document, (*where, "partial"), text)
        if "encode" in given:
            text = "sets.corruptions.encode: stored images are not encoded again, got it beside reader."
            raise _wrong(document, (*where, "encode"), text)
        return
    if others := sorted(given - {"generate", "encode", "sample"}):
        text = f"sets.corruptions: beside generate only encode and sample may stand, got {listed(others)}."
        raise _wrong(document, (*where, others[0]), text)
    if sets.clean is None:
        text = "sets.corruptions.generate: there is no set 'clean' to make them from."
        raise _wrong(document, (*where, "generate"), text)


def _wrong(document: Document, location: Location, text: str) -> SuiteError:
    return SuiteError(f"{document.at(location)}: {text}")


def _declared(sets: SetEntries) -> Iterator[DeclaredSet]:
    """The sets that are there: clean and corruptions, the shifts, then the others."""
    entries = {CLEAN_SET: sets.clean, CORRUPTIONS_SET: sets.corruptions, **sets.shifts}
    entries |= {name: getattr(sets, name) for name in (MIXED_SAME_SET, MIXED_RAND_SET, CUE_CONFLICT_SET)}
    for name, entry in entries.items():
        if entry is not None:
            yield _declared_set(name, entry)


def _declared_set(name: str, entry: SetEntry | CueConflictEntry | CorruptionsEntry) -> DeclaredSet:
    return DeclaredSet(
        name=name,
        reader=entry.reader,
        source=Source(entry.place, entry.options, entry.beside),
        expected=entry.expected,
        prepared=entry.prepared,
        space=entry.space,
        sample=entry.sample if isinstance(entry, CorruptionsEntry) else "all",
        encode=entry.encode if isinstance(entry, CorruptionsEntry) else None,
    )
