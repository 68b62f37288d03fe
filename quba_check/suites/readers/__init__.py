"""Readers, one module each: from how a place is laid out to the images in it with their classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from quba_check.errors import SuiteError
from quba_check.storage.user_files import file_kind
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.arrays import array_images, array_member
from quba_check.suites.readers.csv_list import csv_images
from quba_check.suites.readers.cue_conflict import cue_conflict_images
from quba_check.suites.readers.folder import folder_images
from quba_check.suites.readers.hf import hf_images, hf_member
from quba_check.suites.readers.listed import Listed
from quba_check.suites.readers.model_vs_human import model_vs_human_images
from quba_check.suites.readers.parquet import parquet_images, parquet_member
from quba_check.suites.readers.paths import any_at
from quba_check.suites.readers.webdataset import webdataset_images, webdataset_member

__all__ = ["READERS", "ClassList", "Listed", "Reader"]


def _is_there(path: Path) -> bool:
    return file_kind(path, str(path), SuiteError) is not None


@dataclass(frozen=True, slots=True)
class Reader:
    """A way to lay out labelled images.

    Attributes:
        images: from a place, a class list and the reader's own keys of the manifest to the images there, in
            an order that depends on the data alone. Decodes no image.
        member: opens an image of a container, by the container's path and `Listed.member`; may be called by
            several threads at a time. None for readers that list files.
        is_there: whether there is something to read at a place.
    """

    images: Callable[..., list[Listed]]
    member: Callable[[Path, str], Image.Image] | None = None
    is_there: Callable[[Path], bool] = _is_there


READERS: dict[str, Reader] = {
    "folder": Reader(folder_images),
    "csv": Reader(csv_images),
    "cue-conflict": Reader(cue_conflict_images),
    "model-vs-human": Reader(model_vs_human_images),
    "parquet": Reader(parquet_images, parquet_member, any_at),
    "webdataset": Reader(webdataset_images, webdataset_member, any_at),
    "hf": Reader(hf_images, hf_member),
    "arrays": Reader(array_images, array_member),
}
"""By the name that manifests use."""
