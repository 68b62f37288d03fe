"""Reading of `quba-data.yaml`, the manifest of a suite, and adding of sets to it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from posixpath import normpath

from ruamel.yaml.comments import CommentedMap

from quba_check.core.classes import Head, LabelSpace, Prompts
from quba_check.core.facts import DecidedSet
from quba_check.core.view import CLEAN_SET, CORRUPTIONS_SET, CUE_CONFLICT_SET, MIXED_RAND_SET, MIXED_SAME_SET
from quba_check.errors import SuiteError
from quba_check.messages import listed, one_line
from quba_check.storage.atomic import write_atomically
from quba_check.storage.user_files import os_errors
from quba_check.strict_yaml import Document, Location, check_schema, read_yaml, validate
from quba_check.strict_yaml.round_trip import append, edit, flow_mapping
from quba_check.suites.label_spaces import ClassList
from quba_check.suites.manifest.decided import define_decided
from quba_check.suites.manifest.definitions import (
    check_reference,
    define_classes,
    define_prompts,
    define_restriction,
    define_spaces,
    error_at,
)
from quba_check.suites.manifest.schema import CLASS_FILE_SUFFIX, ManifestEntry, SetEntries
from quba_check.suites.manifest.set_schema import AnySet

ManifestEntries = Mapping[str, Mapping[str, str | int | bool]]
"""Keys and values of each set, by its name."""
_PLAIN = re.compile(r"(?!(true|false|null)$)[a-z/][\w./-]*", re.IGNORECASE)
"""Text that needs no quotes in YAML."""
_SINGLE_SETS = (CLEAN_SET, MIXED_SAME_SET, MIXED_RAND_SET, CUE_CONFLICT_SET)
_WITHOUT_SPACE = {
    CLEAN_SET: "clean images are labelled in the model's own classes",
    "unknown": "images of no class have no labels",
}
"""Reasons against a label space, by the beginning of a set's name."""
SCHEMA = 1
"""Version of manifests."""
_NEW_KINDS = ("other", "decided")
"""Sets with names that nothing else has; a shift may be called as a corruption or an unknown set."""
_SHIFT_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NAME_RULE = "lower-case letters, digits and _, with a letter first"
_PART_ENDINGS: tuple[str, ...] = ("_accuracy", "_matched")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A valid manifest.

    Attributes:
        document: the file, with its name in messages and its bytes.
        name: the suite's name.
        entry: the content of the file.
        classes: the suite's classes.
        sets: by name: clean and corruptions, the shifts in the file's order, those of `other`, then the rest.
        spaces: label spaces that the file defines.
        prompts: prompts for zero-shot models.
        decided: sets with one row for each group of another set.
        head: outputs of the models, if only those of `classes` count; None if they are the classes.
        assumed: added to messages about the images if the folder has no manifest and this one is assumed.
    """

    document: Document
    name: str
    entry: ManifestEntry
    classes: ClassList
    sets: Mapping[str, AnySet]
    spaces: Mapping[str, LabelSpace]
    prompts: Prompts
    decided: Mapping[str, DecidedSet]
    head: Head | None = None
    assumed: str = ""


def read_manifest(path: Path, label: str) -> Manifest:
    """Read and check a manifest; images and their folders are not read.

    Args:
        path: the file.
        label: its name in messages.

    Raises:
        SuiteError: the manifest has an error; the message has file and line.
    """
    document = read_yaml(path, label, SuiteError)
    check_schema(document.data, SCHEMA, document.at(("schema",)), SuiteError)
    entry = validate(document, ManifestEntry)
    classes = define_classes(document, entry)
    prompts = define_prompts(document, entry, classes)
    head, classes = define_restriction(document, entry, classes)
    if entry.positive is not None and (len(classes) != 2 or entry.positive not in classes.names):
        allowed = listed(classes.names) if len(classes) == 2 else "only with two classes"
        raise error_at(document, ("positive",), got=f"'{entry.positive}'", allowed=allowed)
    _check_set_names(document, entry.sets)
    _check_corruptions(document, entry.sets)
    for name in entry.serving:
        if not _SHIFT_NAME.fullmatch(name):
            raise SuiteError(
                where=f"{document.at_key(('serving', name))}: serving",
                got=f"the name '{name}'",
                allowed=_NAME_RULE,
            )
        _check_call(document, ("serving", name, "call"), entry.serving[name].call or "")
    spaces = define_spaces(document, entry, classes)
    sets = _declared_sets(entry.sets)
    for name, declared in sets.items():
        if declared.space is not None:
            above = next((key for key in ("shifts", "other") if name in getattr(entry.sets, key)), "")
            location = (*filter(None, ("sets", above, *name.split("/"))), "space")
            problem = _WITHOUT_SPACE.get(name.partition("/")[0])
            if problem:
                raise error_at(document, location, problem, got=f"'{declared.space}'", hint="Remove the key.")
            check_reference(document, location, declared.space, entry, spaces)
    decided = define_decided(document, entry.sets, classes)
    return Manifest(document, one_line(entry.name), entry, classes, sets, spaces, prompts, decided, head)


def _check_call(document: Document, location: Location, call: str) -> None:
    """Refuse a function in the data folder; nothing is imported."""
    root = document.path.parent.resolve()
    for start in (str(Path.cwd()), *sys.path):
        folders = [start]
        for part in call.partition(":")[0].split("."):
            spec = PathFinder.find_spec(part, folders)
            folders = [] if spec is None else [*(spec.submodule_search_locations or ())]
            for place in map(Path, [] if spec is None else [*folders, spec.origin or "/"]):
                if place.resolve().is_relative_to(root):
                    raise error_at(
                        document,
                        location,
                        got=f"{place}, which lies in the data folder",
                        allowed="a module elsewhere",
                    )


def class_files(path: Path, label: str) -> list[str]:
    """Return the names of the text files with the classes of a manifest.

    Args:
        path: the manifest.
        label: its name in messages.

    Raises:
        SuiteError: the file is not a YAML mapping.
    """
    content = read_yaml(path, label, SuiteError).data
    names = (content.get(key) for key in ("classes", "restrict"))
    return [normpath(name) for name in names if isinstance(name, str) and name.endswith(CLASS_FILE_SUFFIX)]


def _declared_sets(sets: SetEntries) -> dict[str, AnySet]:
    entries: dict[str, AnySet | None] = {CLEAN_SET: sets.clean, CORRUPTIONS_SET: sets.corruptions}
    entries |= {**sets.shifts, **sets.other, MIXED_SAME_SET: sets.mixed_same, MIXED_RAND_SET: sets.mixed_rand}
    entries[CUE_CONFLICT_SET] = sets.cue_conflict
    declared = {name: entry for name, entry in entries.items() if entry is not None}
    # A transform that clean images do not get would tell the others apart.
    return declared | sets.unknown.sets(prepared=sets.clean is not None and sets.clean.prepared)


def is_shift_name(name: str) -> bool:
    """Return True if a manifest allows this name for a shift."""
    is_taken = name in (*_SINGLE_SETS, CORRUPTIONS_SET)
    return not is_taken and bool(_SHIFT_NAME.fullmatch(name)) and not name.endswith(_PART_ENDINGS)


def _check_set_names(document: Document, sets: SetEntries) -> None:
    # A shift's name is a part of ood_robustness, next to `<name>_accuracy` and `<name>_matched`. That of a
    # set of no class is a part of unknown_detection, next to `<name>_fpr95`.
    names = [("shifts", name, _PART_ENDINGS) for name in sets.shifts]
    names += [("unknown", name, (*_PART_ENDINGS, "_fpr95")) for name in sets.unknown.names]
    names += [(key, name, _PART_ENDINGS) for key in _NEW_KINDS for name in getattr(sets, key)]
    taken = set(sets.corruption_names)
    for key, name, endings in names:
        is_taken = key in _NEW_KINDS and name in taken
        if is_taken or not is_shift_name(name) or name.endswith(endings):
            which = ", which another set or a corruption has" if is_taken else ""
            others = f"that no other set has, and that do not end in {' or '.join(endings)}"
            raise SuiteError(
                where=f"{document.at_key(('sets', key, name))}: sets.{key}",
                got=f"the name '{name}'{which}",
                allowed=f"{_NAME_RULE}, {others}",
            )
        taken.add(name)


def _check_corruptions(document: Document, sets: SetEntries) -> None:
    entry = sets.corruptions
    if entry is None:
        return
    where = ("sets", CORRUPTIONS_SET)
    if entry.extra and (entry.sample == "one" or len(set(entry.extra)) < len(entry.extra)):
        reason = "a name is repeated" if entry.sample == "all" else "sample: one shows the fifteen only"
        raise error_at(document, (*where, "extra"), reason, allowed="different names, with sample: all")
    keys = set(entry.model_dump(exclude_none=True, exclude_unset=True))
    if "generate" in keys:
        others = sorted(keys - {"generate", "encode", "sample", "extra"})
        if others:
            raise error_at(
                document,
                (*where, others[0]),
                "only encode, extra and sample go with generate",
                got=listed(others),
            )
        if sets.clean is None:
            raise error_at(document, (*where, "generate"), "there is no set 'clean' to make them from.")
    elif not {"reader", "path"} <= keys:
        got = listed(sorted(keys)) or "nothing"
        raise error_at(document, where, got=got, allowed="reader and path, or generate: from clean")
    elif entry.partial and entry.reader != "folder":
        raise error_at(
            document, (*where, "partial"), "belongs to reader: folder", got=f"reader: {entry.reader}"
        )
    elif "encode" in keys:
        raise error_at(
            document, (*where, "encode"), "stored images are not encoded again", got="it together with reader"
        )


def manifest_line(name: str, entry: Mapping[str, str | int | bool]) -> str:
    """Return the line of a set under `sets:`.

    >>> manifest_line("mixed_same", {"reader": "folder", "path": "made, not drawn", "expected": 9})
    'mixed_same: {reader: folder, path: "made, not drawn", expected: 9}'
    """
    return f"{name}: {{{', '.join(f'{key}: {yaml_scalar(value)}' for key, value in entry.items())}}}"


def add_sets(manifest: Path, entries: ManifestEntries) -> None:
    """Add sets after those that a manifest declares; identical ones are skipped.

    Raises:
        UserError: the file cannot be read or written, has an error or a comment in braces, or declares a set
            of that name differently.
    """
    label = str(manifest)
    document = read_manifest(manifest, label).document
    declared = document.data["sets"]
    for name, entry in entries.items():
        if name in declared and declared[name] != entry:
            raise SuiteError(
                f"the set '{name}' is already declared",
                where=document.at_key(("sets", name)),
                hint=f"Allowed in its place: {manifest_line(name, entry)}",
            )

    def change(root: CommentedMap) -> None:
        for name, entry in entries.items():
            if name not in declared:
                append(root["sets"], name, flow_mapping(entry))

    content = edit(document, change).encode()
    with os_errors("cannot be written", SuiteError, where=f"{manifest}"):
        write_atomically(manifest, content, lambda path: read_manifest(path, label))


def yaml_scalar(value: str | int | bool) -> str:
    """Return a value as YAML, with quotes if necessary.

    >>> yaml_scalar("val/a.csv"), yaml_scalar("7"), yaml_scalar(True)
    ('val/a.csv', '"7"', 'true')
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)  # JSON is YAML
