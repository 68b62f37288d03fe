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
from quba_check.number_format import counted
from quba_check.suites.image_lists import ImageList, read_image_list
from quba_check.suites.label_spaces import normal_form
from quba_check.suites.manifest.reading import is_shift_name
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
_NO_SETS = {"train": "training images", "mask": "masks", "annotation": "masks", "segmentation": "masks"}
"""Reasons to skip a folder, by the beginning of its name."""
_SPLIT_NAMES = frozenset((*SPLITS, *_VALIDATION))
_DEEPEST = 3
_SHOWN = 5


@dataclass(slots=True)
class Layout:
    """The sets in a data folder; paths are relative to it, with forward slashes.

    A set that is a CSV file alone has the path of the file without its suffix.

    Attributes:
        clean: path of the clean images, in one folder a class.
        classes: names of these folders, sorted.
        shifts: paths of other images of these classes, by the name of the shift.
        validation: paths of validation images of these classes, by the name of the set.
        others: paths of `mixed_same`, `mixed_rand`, `cue_conflict` and all `corruptions`, if there are any.
        unknown: paths of images of no class, by the name of the set.
        lists: by the path of a set the CSV file that lists its images.
        left_out: by path the reason why a folder or CSV file is not a set of the suite.
    """

    clean: str = ""
    classes: tuple[str, ...] = ()
    shifts: dict[str, str] = field(default_factory=dict)
    validation: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    lists: dict[str, ImageList] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Visited:
    """Folders and files seen so far; paths are relative to the data folder."""

    layout: Layout
    sets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lists: list[ImageList] = field(default_factory=list)
    rejects: list[str] = field(default_factory=list)
    real: set[str] = field(default_factory=set)


def detect_layout(root: Path) -> Layout:
    """Return the sets in a data folder, by the names of folders and CSV files.

    Raises:
        SuiteError: a folder cannot be read, or the clean images are not found.
    """
    layout = Layout()
    visited = _Visited(layout)
    with each_folder_once():
        _visit(root, "", visited)
        _use_lists(root, visited)
    sets = visited.sets
    layout.clean = _clean(root, sets, layout.left_out)
    layout.classes = sets.pop(layout.clean)
    for path in visited.rejects:
        inside = tuple(folder_names(root / path))
        if inside and set(inside) <= set(layout.classes):
            sets[path] = inside  # labelled images, whatever the folder is called
        else:
            layout.unknown[_set_name(PurePosixPath(path).name, layout.unknown)] = path
    for path, classes in sets.items():
        if reason := _place(layout, path, set(classes)):
            layout.left_out[layout.lists[path].path if path in layout.lists else path] = reason
    return layout


def _visit(root: Path, path: str, visited: _Visited) -> None:
    """Look for sets in a folder and in the folders inside."""
    folder, layout = root / path, visited.layout
    if (real := os.path.realpath(folder)) in visited.real:
        return  # a link to a folder seen before
    visited.real.add(real)
    name = folder.name.lower() if path else ""
    if reason := _no_set(name):
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
    else:
        _visit_sets(root, path, inside, visited)


def _visit_sets(root: Path, path: str, inside: list[str], visited: _Visited) -> None:
    """Look for class folders, CSV files and rejects in a folder, else in those inside."""
    folder, layout = root / path, visited.layout
    lists = _read_lists(root, path, layout)
    visited.lists += lists
    deep = [child for child in inside if folder_names(folder / child)]
    is_next_to_sets = bool(lists) or not all(map(_is_reject, deep))
    if is_next_to_sets and PurePosixPath(path).name.lower() not in _SPLIT_NAMES:
        rejects = [_joined(path, child) for child in filter(_is_reject, inside)]
        visited.rejects += [child for child in rejects if not _is_listed(child, lists)]
        inside = [child for child in inside if _joined(path, child) not in visited.rejects]
    splits = [*deep, *(PurePosixPath(one.path).stem for one in lists)]
    has_splits = any(name in _SPLIT_NAMES or _no_set(name) for name in map(str.lower, splits))
    classes = [] if has_splits else _class_folders(folder, inside)
    if others := sorted(set(inside) - set(classes)) if classes else []:
        names = listed(others, _SHOWN)
        problem = f"class folders ({listed(classes, _SHOWN)}) next to other folders ({names})"
        hint = "Move the class folders into a folder val, and images of no class into a folder rejects."
        raise SuiteError(problem, where=f"{folder}", hint=hint)
    if classes:
        visited.sets[path or "."] = tuple(classes)
    elif path and not deep and len(inside) < 2 and image_names(folder / "".join(inside)):
        if not _is_listed(path, visited.lists):
            layout.left_out[path] = "it has one class folder" if inside else "it has no class folders"
    elif len(PurePosixPath(path).parts) < _DEEPEST:
        for child in inside:
            _visit(root, _joined(path, child), visited)


def _is_reject(name: str) -> bool:
    return _set_name(name, ()) in _REJECTS


def _is_listed(folder: str, lists: Iterable[ImageList]) -> bool:
    return any(any(one.are_in(folder)) for one in lists)


def _joined(path: str, child: str) -> str:
    return f"{path}/{child}".lstrip("/")


def _no_set(name: str) -> str | None:
    return next((text for start, text in _NO_SETS.items() if name.startswith(start)), None)


def _read_lists(root: Path, path: str, layout: Layout) -> list[ImageList]:
    """Return the CSV files in a folder that can be readers; leave others out."""
    lists = []
    for name in file_names(root / path, lambda name: name.lower().endswith(".csv")):
        file = _joined(path, name)
        if reason := "images of no class" if _is_reject(name[: -len(".csv")]) else _no_set(name.lower()):
            layout.left_out[file] = reason
            continue
        try:
            lists.append(read_image_list(root, file))
        except SuiteError as error:
            text = str(error).rstrip(".").removeprefix(f"{root / file}:").strip().replace(f"{root}/", "")
            layout.left_out[file] = f"line {text}" if text[:1].isdecimal() else text
    return lists


def _use_lists(root: Path, visited: _Visited) -> None:
    """Make CSV files the readers of the sets with their names."""
    layout, folders = visited.layout, dict(visited.sets)
    for one in visited.lists:
        path = one.path[: -len(".csv")]
        covered = [folder for folder in folders if any(one.are_in(folder))]
        names = folders.get(path, ())
        rest = sum(len(image_names(root / path / name)) for name in names) - one.images
        if names and not all(one.are_in(path)):
            layout.left_out[one.path] = f"it lists images outside of {path}"
        elif covered and not names and PurePosixPath(path).name.lower() not in _SPLIT_NAMES:
            layout.left_out[one.path] = f"its name is that of no set, as {covered[0]}.csv is"
        else:
            if rest > 0:
                layout.left_out[f"{counted(rest, 'image')} of {path}"] = f"not in {one.path}"
            layout.lists[path] = one
            visited.sets[path] = names if set(one.classes) <= set(map(normal_form, names)) else one.classes
            for folder in {*covered} - {path}:
                layout.left_out[folder] = f"{one.path} lists its images"
                visited.sets.pop(folder, None)


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
        "Expected: val/<class>/<image>, <class>/<image>, or val.csv with the columns path and label. For "
        "other layouts write quba-data.yaml by hand (arrays, parquet and others)."
    )


def _place(layout: Layout, path: str, classes: set[str]) -> str | None:
    """Add a folder to a layout; return the reason if it is not a set."""
    mixed, place = _mixed_set(path), PurePosixPath(path)
    name, is_sibling = place.name.lower(), place.parent == PurePosixPath(layout.clean).parent
    is_validation = name in _VALIDATION and is_sibling
    if mixed is None and not is_validation and name in _SPLIT_NAMES:
        return f"another split than {layout.clean}"
    if unknown := sorted(set(map(normal_form, classes)) - set(map(normal_form, layout.classes))):
        return f"{unknown[0]} is not a class of {layout.clean}"
    if mixed is not None:
        layout.others[mixed] = path
    else:
        sets = layout.validation if is_validation else layout.shifts
        taken = {**layout.validation, **layout.shifts, **layout.unknown}
        sets[_set_name(place.name, taken)] = path
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


def _class_folders(folder: Path, names: Iterable[str]) -> list[str]:
    """Return the class folders in a folder: those that hold images and no folders.

    At least two must have other names than splits, masks and other known folders.
    """
    classes = [name for name in names if image_names(folder / name) and not folder_names(folder / name)]
    other_names = [name for name in map(str.lower, classes) if name not in (*SPLITS, *_CUES)]
    return classes if sum(not name.startswith(tuple(_NO_SETS)) for name in other_names) > 1 else []
