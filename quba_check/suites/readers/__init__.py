"""Readers: they list the labelled images of a folder or file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from quba_check.suites.readers.arrays import array_images, array_member
from quba_check.suites.readers.csv_list import csv_images, csv_paths
from quba_check.suites.readers.folder import (
    cue_conflict_images,
    folder_images,
    model_vs_human_images,
    unlabelled_images,
)
from quba_check.suites.readers.listing import LabelledImage, unread_files
from quba_check.suites.readers.tables import (
    hf_images,
    hf_member,
    parquet_images,
    parquet_member,
    parquet_paths,
)
from quba_check.suites.readers.webdataset import unread_members, webdataset_images, webdataset_member

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
    "folder": Reader(folder_images, unread_files=lambda path: unread_files(path, 1)),
    "csv": Reader(csv_images, listed_paths=csv_paths),
    "cue-conflict": Reader(cue_conflict_images, unread_files=lambda path: unread_files(path, 1)),
    "model-vs-human": Reader(model_vs_human_images, unread_files=lambda path: unread_files(path, 0)),
    "parquet": Reader(parquet_images, parquet_member, listed_paths=parquet_paths, hides_formats=True),
    "webdataset": Reader(webdataset_images, webdataset_member, unread_files=unread_members),
    "hf": Reader(hf_images, hf_member, hides_formats=True),
    "arrays": Reader(array_images, array_member),
    "unlabelled": Reader(unlabelled_images, unread_files=lambda path: unread_files(path, sys.maxsize)),
}
"""By the name in manifests."""
