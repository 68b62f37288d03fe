"""Readers: they list the labelled images of a folder or file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.suites.readers import arrays, csv_list, folder, tables, webdataset
from quba_check.suites.readers.listing import LabelledImage, unread_files

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["READERS", "LabelledImage", "Reader"]


@dataclass(frozen=True, slots=True)
class Reader:
    """A layout of labelled images.

    Attributes:
        images: lists the images of a path, given the class list and the reader's own keys of the manifest, in
            an order that depends only on the data. Decodes no image.
        member: opens an image of a container, given the container's path and `LabelledImage.member`. Called
            from several threads. None for readers that list files.
        listed_paths: returns the paths of images that a list names, given its path and the reader's own keys.
            None for readers whose images lie at the path itself.
        hides_formats: True if members are image files without a name that states their format.
        unread_files: returns the names of unread files at a path that look like images.
    """

    images: Callable[..., list[LabelledImage]]
    member: Callable[[Path, str], Image.Image] | None = None
    listed_paths: Callable[..., Iterable[Path]] | None = None
    hides_formats: bool = False
    unread_files: Callable[[Path], Iterable[str]] = lambda _: ()


READERS: dict[str, Reader] = {
    "folder": Reader(folder.folder_images, unread_files=lambda path: unread_files(path, 1)),
    "csv": Reader(csv_list.csv_images, listed_paths=csv_list.csv_paths),
    "cue-conflict": Reader(folder.cue_conflict_images, unread_files=lambda path: unread_files(path, 1)),
    "model-vs-human": Reader(folder.model_vs_human_images, unread_files=lambda path: unread_files(path, 0)),
    "parquet": Reader(
        tables.parquet_images, tables.parquet_member, listed_paths=tables.parquet_paths, hides_formats=True
    ),
    "webdataset": Reader(
        webdataset.webdataset_images, webdataset.webdataset_member, unread_files=webdataset.unread_members
    ),
    "hf": Reader(tables.hf_images, tables.hf_member, hides_formats=True),
    "arrays": Reader(arrays.array_images, arrays.array_member),
    "unlabelled": Reader(folder.unlabelled_images, unread_files=lambda path: unread_files(path, sys.maxsize)),
}
"""By the name in manifests."""
