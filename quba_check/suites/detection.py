"""Detection of the sets in a data folder, for a first manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path, PurePosixPath

from quba_check.core.view import (
    CORRUPTIONS,
    CORRUPTIONS_SET,
    CUE_CONFLICT_SET,
    MIXED_RAND_SET,
    MIXED_SAME_SET,
    SEVERITIES,
)
from quba_check.errors import SuiteError
from quba_check.messages import listed
from quba_check.suites.label_spaces import normal_form
from quba_check.suites.manifest.reading import is_shift_name
from quba_check.suites.readers.listing import folder_names, image_names

SPLITS = ("clean", "test", "val", "validation", "valid", "eval")
"""Names of the folder of clean images, in order of preference; others are splits of the same images."""
_VALIDATION = ("val", "validation", "valid", "dev", "tuning")
"""Names of splits to choose thresholds on, next to the clean images."""
_CUES = ("cue_conflict", "cue-conflict", "cue_conflicts", "cc")
_NO_SETS = {"train": "training images", "mask": "masks", "annotation": "masks", "segmentation": "masks"}
"""Reasons to skip a folder, by the beginning of its name."""
_DEEPEST = 3
_SHOWN = 5


@dataclass(slots=True)
class Layout:
    """The sets in a data folder; paths are relative to it, with forward slashes.

    Attributes:
        clean: path of the clean images, in one folder a class.
        classes: names of these folders, sorted.
        shifts: paths of other images of these classes, by the name of the shift.
        validation: paths of validation images of these classes, by the name of the set.
        others: paths of `mixed_same`, `mixed_rand`, `cue_conflict` and all `corruptions`, if there are any.
        left_out: by path the reason why a folder is not a set of the suite.
    """

    clean: str = ""
    classes: tuple[str, ...] = ()
    shifts: dict[str, str] = field(default_factory=dict)
    validation: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def detect_layout(root: Path) -> Layout:
    """Return the sets in a data folder, by the names of its folders.

    Raises:
        SuiteError: a folder cannot be read, or the clean images are not found.
    """
    layout, sets = Layout(), dict[str, tuple[str, ...]]()
    _visit(root, "", layout, sets, set())
    layout.clean = _clean(root, sets, layout.left_out)
    layout.classes = sets.pop(layout.clean)
    for path, classes in sets.items():
        if reason := _place(layout, path, set(classes)):
            layout.left_out[path] = reason
    return layout


def _visit(root: Path, path: str, layout: Layout, sets: dict[str, tuple[str, ...]], seen: set[str]) -> None:
    """Look for sets in a folder and in the folders inside."""
    folder = root / path
    if (real := os.path.realpath(folder)) in seen:
        return  # a link to a folder seen before
    seen.add(real)
    name = folder.name.lower() if path else ""
    reason = next((text for start, text in _NO_SETS.items() if name.startswith(start)), None)
    if reason is not None:
        layout.left_out[path] = reason
        return
    inside = folder_names(folder)
    if name in _CUES:
        layout.others[CUE_CONFLICT_SET] = path
    elif set(inside) & set(CORRUPTIONS):
        conditions = [f"{name}/{severity}" for name in CORRUPTIONS for severity in SEVERITIES]
        if missing := sum(not (folder / condition).is_dir() for condition in conditions):
            reason = f"{missing} of {len(conditions)} corruptions and severities are missing"
            layout.left_out[path] = reason
        else:
            layout.others[CORRUPTIONS_SET] = path
    elif classes := _class_folders(folder, inside):
        if others := sorted(set(inside) - set(classes)):
            problem = f"class folders stand next to other folders ({listed(others, _SHOWN)})"
            hint = "Move the class folders into a folder of their own, such as val."
            raise SuiteError(problem, where=f"{folder}", hint=hint)
        sets[path or "."] = tuple(classes)
    elif len(PurePosixPath(path).parts) < _DEEPEST:
        for child in inside:
            _visit(root, f"{path}/{child}".lstrip("/"), layout, sets, seen)


def _clean(root: Path, sets: Iterable[str], left_out: Mapping[str, str]) -> str:
    candidates = sorted((path for path in sets if not _mixed_set(path)), key=lambda path: path.count("/"))
    for name in SPLITS:
        if named := [path for path in candidates if PurePosixPath(path).name.lower() == name]:
            return named[0]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names, paths = " or ".join(SPLITS[:3]), listed(candidates, _SHOWN)
        problem = f"several folders of images, and none is called {names}: {paths}"
        raise SuiteError(problem, where=f"{root}", hint="Rename the one with the clean test images.")
    skipped = listed((f"{path} ({reason})" for path, reason in left_out.items()), _SHOWN)
    raise SuiteError(
        f"{root}: no test images in folders of two or more classes{f', but {skipped}' if skipped else ''}. "
        "Expected: val/<class>/<image>, or <class>/<image>. For other layouts write quba-data.yaml by hand "
        "(csv, arrays, parquet and others)."
    )


def _place(layout: Layout, path: str, classes: set[str]) -> str | None:
    """Add a folder to a layout; return the reason if it is not a set."""
    mixed, place = _mixed_set(path), PurePosixPath(path)
    name, is_sibling = place.name.lower(), place.parent == PurePosixPath(layout.clean).parent
    is_validation = name in _VALIDATION and is_sibling
    if mixed is None and not is_validation and name in (*SPLITS, *_VALIDATION):
        return f"another split than {layout.clean}"
    if unknown := sorted(set(map(normal_form, classes)) - set(map(normal_form, layout.classes))):
        return f"{unknown[0]} is not a class of {layout.clean}"
    if mixed is not None:
        layout.others[mixed] = path
    else:
        sets = layout.validation if is_validation else layout.shifts
        sets[_shift_name(place.name, {**layout.validation, **layout.shifts})] = path
    return None


def _mixed_set(path: str) -> str | None:
    parts = PurePosixPath(path).parts
    return next((name for name in (MIXED_SAME_SET, MIXED_RAND_SET) if name in parts), None)


def _shift_name(folder: str, taken: Container[str]) -> str:
    """Return an allowed name for a shift, near that of its folder.

    >>> [_shift_name(folder, ("x",)) for folder in ("By night", "clean", "2nd", "x")]
    ['by_night', 'clean_set', 'set_2nd', 'x_2']
    """
    name = re.sub(r"[^a-z0-9]+", "_", folder.lower()).strip("_")
    if not name[:1].isalpha():
        name = f"set_{name}".rstrip("_")
    if not is_shift_name(name):
        name = f"{name}_set"
    candidates = chain([name], (f"{name}_{number}" for number in count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def _class_folders(folder: Path, names: Iterable[str]) -> list[str]:
    """Return the class folders in a folder: those that hold images and no folders.

    At least two must have other names than splits, masks and other known folders.
    """
    classes = [name for name in names if image_names(folder / name) and not folder_names(folder / name)]
    other_names = [name for name in map(str.lower, classes) if name not in (*SPLITS, *_CUES)]
    return classes if sum(not name.startswith(tuple(_NO_SETS)) for name in other_names) > 1 else []
