"""The images that models were trained with, as a user lists them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from quba_check.core.predictions import NO_CLASS
from quba_check.errors import SuiteError
from quba_check.storage.user_files import file_kind, read_text
from quba_check.suites.example import Example
from quba_check.suites.readers.folder import images_below
from quba_check.suites.readers.listing import IMAGE_SUFFIXES


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
                raise SuiteError(f"{path}:{number}: there is no file {name}. Allowed: an image a line.")
        names = [name for _, name in rows]
    else:
        raise error(f"there is no {path}", allowed="a folder of images, or a text file with a path a line")
    if not names:
        raise error(f"{path} names no images", hint=f"Images end in {', '.join(IMAGE_SUFFIXES)}.")
    return [Example(index, name, NO_CLASS) for index, name in enumerate(names)]
