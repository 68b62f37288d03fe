"""Readers of folders: `folder`, `unlabelled`, `cue-conflict`, `model-vs-human`; and training images.

ReaL's labels of ImageNet: Beyer et al., 2020.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from quba_check.core.predictions import NO_CLASS
from quba_check.errors import SuiteError
from quba_check.messages import listed
from quba_check.storage.user_files import file_kind, read_json, read_text
from quba_check.suites.example import Example
from quba_check.suites.label_spaces import SHOWN, ClassList, normal_form
from quba_check.suites.readers.listing import ENDINGS, LabelledImage, folder_names, image_names


def folder_images(
    path: Path, classes: ClassList, *, partial: bool = False, real_labels: Path | None = None
) -> list[LabelledImage]:
    """List images in one folder per class: `<class>/<image>`.

    A folder is matched to a class by its name, else by its name without a leading number and with blanks for
    underscores (`02_wheeled vehicle`). Deeper folders are skipped.

    Args:
        path: the folder of class folders.
        classes: the class list.
        partial: True if classes may lack a folder.
        real_labels: ReaL's labels, for images of ImageNet's validation set.

    Raises:
        SuiteError: a folder is not a class, is missing or holds no image, an image lies outside the folders,
            or there are no folders.
    """
    outside = image_names(path)
    if outside:
        raise SuiteError(
            "an image outside the class folders. Expected: <class>/<image>.", where=f"{path / outside[0]}"
        )
    images: list[LabelledImage] = []
    for name in folder_names(path):
        folder = path / name
        bare = re.sub(r"^\d+_", "", name)
        forms = (name, bare, bare.replace("_", " "))
        label = next((number for form in forms if (number := classes.number(form)) is not None), None)
        if label is None:
            raise SuiteError(where=f"{folder}", **classes.unknown("class folder", name))
        files = image_names(folder)
        if not files:
            raise SuiteError("no image in this class folder", where=f"{folder}", hint=ENDINGS)
        prefix = folder.as_posix()
        images += [LabelledImage(f"{prefix}/{file}", label) for file in files]
    if not images:
        raise SuiteError(f"no class folders. Expected: one for each of {classes.label}.", where=f"{path}")
    if not partial:
        _check_complete(path, images, classes.names)
    return images if real_labels is None else list(relabelled(images, real_labels, classes))


def _check_complete(path: Path, images: Sequence[LabelledImage], classes: Sequence[str]) -> None:
    present = {image.label for image in images}
    absent = [name for number, name in enumerate(classes) if number not in present]
    if absent:
        advice = (
            "Add them, or allow it in quba-data.yaml: partial: true in the set's entry, or restrict: true"
        )
        raise SuiteError(
            "class folders are missing",
            where=f"{path}",
            got=f"{len(present)} of {len(classes)}",
            hint=f"Missing: {listed(absent, SHOWN)}. {advice} to score only classes that have folders.",
        )


_CLASSES = 1000
_NUMBER = re.compile(r"ILSVRC2012_val_(\d{8})\.[A-Za-z]+$")


def relabelled(images: Sequence[LabelledImage], path: Path, classes: ClassList) -> Iterator[LabelledImage]:
    """Yield the images with a label in ReaL, with all its labels.

    The label stays if ReaL has it; else the first one of ReaL takes its place.

    Args:
        images: images of ImageNet's validation set.
        path: ReaL's `real.json`: for each image, by number, a list of class numbers.
        classes: the class list.

    Raises:
        SuiteError: the file cannot be read, or has no list of classes for an image.
    """
    if len(classes.names) != _CLASSES:
        raise SuiteError(
            f"numbers ImageNet's {_CLASSES:,} classes",
            where=f"{path}",
            got=f"{len(classes.names)}",
            allowed="classes: imagenet",
        )
    rows = read_json(path, str(path), SuiteError)
    for image in images:
        number = _NUMBER.search(image.path)
        if number is None:
            raise SuiteError(
                f"has no labels in {path.name}", where=image.path, allowed="ILSVRC2012_val_NUMBER.JPEG"
            )
        position = int(number[1]) - 1
        row = rows[position] if isinstance(rows, list) and 0 <= position < len(rows) else None
        if not isinstance(row, list):
            raise SuiteError(
                f"has no list of classes for {number[0]}", where=f"{path}", allowed="the file of ReaL"
            )
        labels = [classes.position(label, f"{path}[{position}]") for label in row]
        if labels:
            label = image.label if image.label in labels else labels[0]
            also = tuple(other for other in dict.fromkeys(labels) if other != label)
            yield replace(image, label=label, also=also)


def unlabelled_images(path: Path, _classes: ClassList) -> list[LabelledImage]:
    """List the images at any depth of a folder, without classes.

    Args:
        path: the folder.

    Raises:
        SuiteError: there is no image, or a link leads to a folder above it.
    """
    images = [LabelledImage(image, NO_CLASS) for image in images_below(path)]
    if not images:
        raise SuiteError("no image in this folder or those below it", where=f"{path}", hint=ENDINGS)
    return images


def images_below(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the paths of the images at any depth of a folder.

    Args:
        folder: the folder.
        above: real paths of the folders above it that were listed.

    Raises:
        SuiteError: a link leads to a folder above it, or a folder cannot be read.
    """
    real = os.path.realpath(folder)
    if real in above:
        raise SuiteError("a link to a folder above it", where=f"{folder}", hint="Remove it.")
    for name in image_names(folder):
        yield f"{folder.as_posix()}/{name}"
    for name in folder_names(folder):
        yield from images_below(folder / name, above | {real})


def training_images(path: Path) -> list[Example]:
    """Return the images in a folder, at any depth, or in a list.

    A list is a text file with a path a line.

    Args:
        path: absolute; the paths in a text file are relative to its folder.

    Raises:
        SuiteError: the path or a listed file is missing, or there are no images.
    """
    error = partial(SuiteError, where="training")
    kind = file_kind(path, f"training: {path}", SuiteError)
    if kind == "folder":
        names = list(images_below(path))
    elif kind == "file":
        lines = read_text(path, f"training: {path}", SuiteError).splitlines()
        rows = [(number, str(path.parent / line.strip())) for number, line in enumerate(lines, 1) if line]
        for number, name in rows:
            if not os.path.isfile(name):  # noqa: PTH113  there may be millions
                raise SuiteError(
                    f"there is no file {name}", where=f"{path}:{number}", allowed="an image a line"
                )
        names = [name for _, name in rows]
    else:
        raise error(f"there is no {path}", allowed="a folder of images, or a text file with a path a line")
    if not names:
        raise error(f"{path} names no images", hint=ENDINGS)
    return [Example(index, name, NO_CLASS) for index, name in enumerate(names)]


def cue_conflict_images(path: Path, classes: ClassList) -> list[LabelledImage]:
    """List images named `<shape><i>-<texture><j>.png`, in one folder or one per shape class.

    Args:
        path: the folder.
        classes: the class list of both cues.

    Raises:
        SuiteError: a name has another form or an unknown class, a file lies in another class's folder, or
            there are no images.
    """
    any_class = "|".join(re.escape(name) for name in sorted(classes.numbers, key=len, reverse=True))
    cues = re.compile(rf"({any_class})\d+-({any_class})\d+")
    images = []
    for folder in ("", *folder_names(path)):
        for file in image_names(path / folder):
            where = path / folder / file
            match = cues.fullmatch(normal_form(where.stem))
            if match is None:
                raise SuiteError(where=f"{where}", **_mistake(where.stem, classes))
            shape, texture = match.groups()
            if folder and normal_form(folder) != shape:
                raise SuiteError(f"the shape is '{shape}'", where=f"{where}", got=f"the folder '{folder}'")
            images.append(LabelledImage(where.as_posix(), classes.numbers[shape], classes.numbers[texture]))
    if not images:
        raise SuiteError("no images. Expected: files named <shape><i>-<texture><j>.png.", where=f"{path}")
    return images


def _mistake(stem: str, classes: ClassList) -> dict[str, str]:
    cues = re.fullmatch(r"(.+?)\d+-(.+?)\d+", stem)
    if cues is None:
        return {"problem": "the name does not state two cues. Expected: <shape><i>-<texture><j>.png."}
    unknown = next((cue for cue in cues.groups() if classes.number(cue) is None), cues[1])
    return classes.unknown("class", unknown)


def model_vs_human_images(path: Path, classes: ClassList) -> list[LabelledImage]:
    """List images named `*_*_*_*_<category>_*.png` in one folder, as published by model-vs-human.

    Args:
        path: the folder.
        classes: the class list.

    Raises:
        SuiteError: a name has another form or an unknown class, or there are no images.
    """
    images = []
    for file in image_names(path):
        fields = file.split("_", maxsplit=5)
        if len(fields) < 6:
            raise SuiteError(
                "the name does not state a class. Expected: *_*_*_*_<category>_*.png.", where=f"{path / file}"
            )
        label = classes.number(fields[4])
        if label is None:
            raise SuiteError(where=f"{path / file}", **classes.unknown("class", fields[4]))
        images.append(LabelledImage((path / file).as_posix(), label))
    if not images:
        raise SuiteError("no images", where=f"{path}", hint="Expected: files named *_*_*_*_<category>_*.png.")
    return images
