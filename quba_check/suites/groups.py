"""Groups of images that belong together, such as the photos of a patient."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import regex

from quba_check.errors import SuiteError
from quba_check.suites.manifest.set_schema import AnySet, GroupRule
from quba_check.suites.readers.listing import LabelledImage

SECONDS = 10
"""Longest time for the expression of a set."""


def group_names(
    declared: AnySet, images: Sequence[LabelledImage], root: Path, path: Path
) -> list[str] | None:
    """Return the group of each image of a set; None if the set declares none.

    Args:
        declared: the set.
        images: its images.
        root: the data folder.
        path: the set's folder or file.

    Raises:
        SuiteError: an image has no group.
    """
    rule = declared.group
    if rule is None:
        return None
    if isinstance(rule, str):
        names = [image.cells[declared.columns.index(rule)].strip() for image in images]
        problem = f"the group column '{rule}' is empty"
        allowed = "a name in each row; a unique one for a lone image"
    elif rule.path is not None:
        expression, end, names = regex.compile(rule.path), time.monotonic() + SECONDS, []
        for image in images:
            try:
                match = expression.search(_path(image, root), timeout=max(0.001, end - time.monotonic()))
            except TimeoutError:
                problem = f"the expression {rule.path} takes more than {SECONDS} seconds"
                raise SuiteError(problem, where=f"{image.path}: group", allowed="a simpler one") from None
            names.append("" if match is None else match["group"] or "")
        problem, allowed = f"group: {rule.path} does not match its path", "an expression for every image"
    else:
        names = _folders(images, path, rule)
        problem, allowed = f"lies in fewer than {rule.folders} folders below {path.name}", "a smaller number"
    if "" in names:
        image = images[names.index("")]
        where = image.path if image.member is None else f"{image.path}[{image.member}]"
        raise SuiteError(problem, where=where, allowed=allowed)
    return names


def _path(image: LabelledImage, root: Path) -> str:
    """Return the path of an image in its container, or relative to the data folder."""
    return image.path.removeprefix(f"{root.as_posix()}/") if image.member is None else image.member


def _folders(images: Sequence[LabelledImage], path: Path, rule: GroupRule) -> list[str]:
    """Return the first folders of each image; empty if there are too few."""
    below = path if path.is_dir() else path.parent
    names = []
    for image in images:
        folders = _path(image, below).split("/")[:-1]
        names.append("/".join(folders[: rule.folders]) if len(folders) >= (rule.folders or 1) else "")
    return names
