"""Detection of the sets in a data folder, for a first manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path, PurePosixPath
from posixpath import join

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
from quba_check.suites.image_lists import ImageList, read_image_list
from quba_check.suites.label_spaces import normal_form
from quba_check.suites.manifest.reading import is_shift_name
from quba_check.suites.readers.folder import images_below
from quba_check.suites.readers.listing import each_folder_once, file_names, folder_names, image_names

SPLITS = ("clean", "test", "val", "validation", "valid", "eval")
"""Names of the folder of clean images, in order of preference; others are splits of the same images."""
_VALIDATION = ("val", "validation", "valid", "dev", "tuning")
"""Names of splits to choose thresholds on, next to the clean images."""
_REJECTS = (
    *("reject", "rejects", "rejected", "unknown", "other", "others", "untrained", "not_sure", "no_class"),
    *("ood", "junk", "background"),
)
"""Names of folders with images of no class, next to the folder of clean images."""
_CUES = ("cue_conflict", "cue-conflict", "cue_conflicts", "cc")
_TRAINING = "training images"
_NO_SETS = {"train": _TRAINING, "mask": "masks", "annotation": "masks", "segmentation": "masks"}
"""Reasons to skip a folder, by the beginning of its name."""
_SPLIT_NAMES = frozenset((*SPLITS, *_VALIDATION))
_Sets = dict[str, tuple[str, ...]]
"""Classes by path of a set."""
_DEEPEST = 3
_SHOWN = 5


@dataclass(slots=True)
class Layout:
    """The sets in a data folder; paths are relative to it, with forward slashes.

    A set that a CSV file lists has the path of the file.

    Attributes:
        clean: path of the clean images, in one folder a class or listed in a CSV file.
        classes: names of these folders, or its labels, sorted.
        shifts: paths of other images of these classes, by the name of the shift.
        validation: paths of validation images of these classes, by the name of the set.
        others: paths of `mixed_same`, `mixed_rand`, `cue_conflict` and all `corruptions`, if there are any.
        unknown: paths of images of no class, by the name of the set.
        training: path of the first folder of training images; empty if there is none.
        lists: the CSV files that list the images of sets, by path.
        left_out: by path the reason why a folder or CSV file is not a set of the suite.
    """

    clean: str = ""
    classes: tuple[str, ...] = ()
    shifts: dict[str, str] = field(default_factory=dict)
    validation: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    training: str = ""
    lists: dict[str, ImageList] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def detect_layout(root: Path) -> Layout:
    """Return the sets in a data folder, by the names of folders and CSV files.

    Raises:
        SuiteError: a folder cannot be read, or the clean images are not found.
    """
    layout = Layout()
    sets = _Sets()
    with each_folder_once():
        _visit(root, "", layout, sets, set())
    layout.clean = _clean(root, sets, layout.left_out)
    layout.classes = sets.pop(layout.clean)
    for path, classes in sets.items():
        reason = _place(layout, path, set(classes))
        if reason:
            layout.left_out[path] = reason
    return layout


def _visit(root: Path, path: str, layout: Layout, sets: _Sets, seen: set[str]) -> None:
    """Look for sets in a folder and in the folders inside."""
    folder = root / path
    real = os.path.realpath(folder)
    if real in seen:
        return  # a link to a folder seen before
    seen.add(real)
    name = folder.name.lower() if path else ""
    reason = _no_set(name)
    if reason:
        layout.left_out[path] = reason
        if reason == _TRAINING and not layout.training and any(images_below(folder)):
            layout.training = path
    elif _is_reject(path):
        layout.unknown[_set_name(name, layout.unknown)] = path
    elif name in _CUES:
        layout.others[CUE_CONFLICT_SET] = path
    elif set(inside := folder_names(folder)) & set(CORRUPTIONS):
        conditions = [f"{name}/{severity}" for name in CORRUPTIONS for severity in SEVERITIES]
        missing = sum(not (folder / condition).is_dir() for condition in conditions)
        if missing:
            layout.left_out[path] = f"{missing} of {len(conditions)} corruptions and severities are missing"
        else:
            layout.others[CORRUPTIONS_SET] = path
    else:
        inside = _visit_sets(root, path, inside, layout, sets)
        for child in inside if len(PurePosixPath(path).parts) < _DEEPEST else ():
            _visit(root, join(path, child), layout, sets, seen)


def _visit_sets(root: Path, path: str, inside: list[str], layout: Layout, sets: _Sets) -> list[str]:
    """Find CSV files and class folders; return the names of folders to visit."""
    lists = _read_lists(root, path, inside, layout)
    deep = [child for child in inside if folder_names(root / path / child)]
    for file, listing in lists.items():
        layout.lists[file], sets[file] = listing, listing.classes
        others = sorted(listing.folders & {*deep} - {_name(file)})
        layout.left_out |= {join(path, child): f"{file} lists its images" for child in others}
        inside = [child for child in inside if child not in listing.folders]
    classes = _class_folders(root, path, inside, [*deep, *map(_name, lists)])
    if classes:
        sets[path or "."] = tuple(classes)
        return []
    if path and not lists and image_names(root / path):
        layout.left_out[path] = "no class folders"
    return inside


def _name(path: str) -> str:
    """Return the name of a folder, or of a CSV file without its suffix."""
    return re.sub(r"\.csv$", "", PurePosixPath(path).name, flags=re.IGNORECASE)


def _is_reject(path: str) -> bool:
    place = PurePosixPath(path)
    return _set_name(place.name, ()) in _REJECTS and place.parent.name.lower() not in _SPLIT_NAMES


def _no_set(name: str) -> str | None:
    return next((text for start, text in _NO_SETS.items() if name.startswith(start)), None)


def _read_lists(root: Path, path: str, inside: Iterable[str], layout: Layout) -> dict[str, ImageList]:
    """Return the CSV files of sets in a folder, by path.

    They have the name of a split, or of a folder next to them. Others are left out.
    """
    lists = {}
    for file in file_names(root / path, lambda name: name.lower().endswith(".csv")):
        csv = join(path, file)
        name = _name(file)
        reason = _no_set(name.lower())
        if reason:
            layout.left_out[csv] = reason
        elif _is_reject(join(path, name)) or (name not in inside and name.lower() not in _SPLIT_NAMES):
            layout.left_out[csv] = "its name is that of no set, as val.csv is"
        else:
            try:
                lists[csv] = read_image_list(root / csv)
            except SuiteError as error:
                layout.left_out[csv] = str(error).replace(f"{root}{os.sep}", "").rstrip(".")
    return lists


def _clean(root: Path, sets: Iterable[str], left_out: Mapping[str, str]) -> str:
    candidates = sorted((path for path in sets if not _mixed_set(path)), key=lambda path: path.count("/"))
    for name in SPLITS:
        named = [path for path in candidates if _name(path).lower() == name]
        if named:
            return named[0]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = " or ".join(SPLITS[:3])
        paths = listed(candidates, _SHOWN)
        raise SuiteError(
            f"several folders of images, and none is called {names}: {paths}",
            where=f"{root}",
            hint="Rename the one with the clean test images.",
        )
    skipped = listed((f"{path} ({reason})" for path, reason in left_out.items()), _SHOWN)
    raise SuiteError(
        f"no test images in folders of two or more classes{f', but {skipped}' if skipped else ''}. "
        "Expected: val/<class>/<image>, <class>/<image>, or val.csv with the columns path "
        "and label. For other layouts write quba-data.yaml by hand (arrays, parquet and "
        "others).",
        where=f"{root}",
    )


def _place(layout: Layout, path: str, classes: set[str]) -> str | None:
    """Add a folder to a layout; return the reason if it is not a set."""
    mixed = _mixed_set(path)
    place = PurePosixPath(path)
    name = _name(path).lower()
    is_sibling = place.parent == PurePosixPath(layout.clean).parent
    is_validation = name in _VALIDATION and is_sibling
    if mixed is None and not is_validation and name in _SPLIT_NAMES:
        return f"another split than {layout.clean}"
    unknown = sorted(set(map(normal_form, classes)) - set(map(normal_form, layout.classes)))
    if unknown:
        return f"{unknown[0]} is not a class of {layout.clean}"
    if mixed is not None:
        layout.others[mixed] = path
    else:
        sets = layout.validation if is_validation else layout.shifts
        taken = {**layout.validation, **layout.shifts, **layout.unknown}
        sets[_set_name(_name(path), taken)] = path
    return None


def _mixed_set(path: str) -> str | None:
    parts = PurePosixPath(path).parts
    return next((name for name in (MIXED_SAME_SET, MIXED_RAND_SET) if name in parts), None)


def _set_name(folder: str, taken: Container[str]) -> str:
    """Return an allowed name for a set, near that of its folder.

    >>> [_set_name(folder, ("x",)) for folder in ("By night", "clean", "2nd", "x")]
    ['by_night', 'clean_set', 'set_2nd', 'x_2']
    """
    name = re.sub(r"[^a-z0-9]+", "_", folder.lower()).strip("_")
    if not name[:1].isalpha():
        name = f"set_{name}".rstrip("_")
    if not is_shift_name(name):
        name = f"{name}_set"
    candidates = chain([name], (f"{name}_{number}" for number in count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def _class_folders(root: Path, path: str, inside: Iterable[str], splits: Collection[str]) -> list[str]:
    """Return the class folders in a folder: those that hold images and no folders.

    At least two must have other names than splits, masks and other known folders.

    Args:
        root: the data folder.
        path: the folder, relative to it.
        inside: names of the folders in it.
        splits: names of sets next to them.

    Raises:
        SuiteError: there are other folders, too.
    """
    folder = root / path
    classes = [name for name in inside if image_names(folder / name) and not folder_names(folder / name)]
    if splits:
        classes = [name for name in classes if not _is_reject(join(path, name))]
    is_split = any(name in _SPLIT_NAMES or _no_set(name) for name in map(str.lower, splits))
    names = [name for name in map(str.lower, classes) if name not in (*SPLITS, *_CUES) and not _no_set(name)]
    if is_split or len(names) < 2:
        return []
    others = sorted(set(inside) - set(classes))
    if others:
        own = listed(classes, _SHOWN)
        rest = listed(others, _SHOWN)
        raise SuiteError(
            f"class folders ({own}) next to other folders ({rest})",
            where=f"{folder}",
            hint="Move the class folders into a folder val, and images of no class into a folder rejects.",
        )
    return classes
