"""The form of a set in `quba-data.yaml`: one pydantic model a reader, told apart by the key `reader`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from quba_check.errors import listed
from quba_check.strict_yaml import Strict
from quba_check.suites.manifest.declared_set import Sample


class _Entry(Strict):
    """What every set may say.

    Attributes:
        reader: how it is laid out.
        path: its folder or file, relative to the data folder.
        expected: number of images it is published with.
        prepared: stored at its final size: resized if need be, not cropped again.
        space: label space of its labels; without it the model's own classes are meant.
    """

    reader: str
    path: str | None = None
    expected: int | None = Field(default=None, ge=1)
    prepared: bool = False
    space: str | None = None

    @property
    def place(self) -> str:
        """The folder or file that it is read from, relative to the data folder."""
        return self.path or ""

    @property
    def options(self) -> Mapping[str, object]:
        """What its reader is told besides."""
        return {}

    @property
    def beside(self) -> Mapping[str, str]:
        """Further files that its reader needs, relative to the data folder, by what it calls them."""
        return {}


class FolderEntry(_Entry):
    """Images in one folder per class.

    Attributes:
        path: the folder of class folders, relative to the data folder.
        partial: classes may have no folder.
    """

    reader: Literal["folder"]
    path: str
    partial: bool = False

    @property
    def options(self) -> Mapping[str, object]:
        """Whether classes may be missing."""
        return {"partial": self.partial}


class CsvEntry(_Entry):
    """Images that a CSV file lists in its columns `path` and `label`; `path` is that file."""

    reader: Literal["csv"]
    path: str


class ModelVsHumanEntry(_Entry):
    """Images named `*_*_*_*_<category>_*.png` in the folder `path`."""

    reader: Literal["model-vs-human"]
    path: str


class CueConflictEntry(_Entry):
    """Images with two cues, named `<shape><i>-<texture><j>.png`, in the folder `path` or in one per shape."""

    reader: Literal["cue-conflict"]
    path: str


class ParquetEntry(_Entry):
    """Images that a Parquet file lists in its columns `path` and `label`, or holds in a column of images.

    Attributes:
        path: the file; a folder or a pattern such as `test-*.parquet` for several.
        image: the column of images; by default `path`, and where there is none, `image`.
        label: the column of labels.
    """

    reader: Literal["parquet"]
    path: str
    image: str | None = None
    label: str = "label"

    @property
    def options(self) -> Mapping[str, object]:
        """The columns."""
        return {"image": self.image, "label": self.label}


class WebDatasetEntry(_Entry):
    """Images and labels in tar files: `0001.jpg` beside `0001.cls`, or `0001.json` with a `label`.

    Attributes:
        path: a shard, a folder of them, or a pattern such as `val-{000..049}.tar` or `val-*.tar`.
    """

    reader: Literal["webdataset"]
    path: str


class HfEntry(_Entry):
    """A Hugging Face dataset that `save_to_disk` wrote.

    Attributes:
        path: the folder.
        split: which one, where it holds several.
        image: the column of images.
        label: the column of labels.
    """

    reader: Literal["hf"]
    path: str
    split: str | None = None
    image: str = "image"
    label: str = "label"

    @property
    def options(self) -> Mapping[str, object]:
        """Split and columns."""
        return {"split": self.split, "image": self.image, "label": self.label}


class ArraysEntry(_Entry):
    """Arrays of images and labels: both in an `.npz` file, or each in a file of its own, `.npy` or idx.

    Attributes:
        path: the `.npz` file.
        images: name of the array of images in it (`images`); without `path`, the file of images.
        labels: name of the array of labels in it (`labels`); without `path`, the file of labels.
    """

    reader: Literal["arrays"]
    images: str | None = None
    labels: str | None = None

    @model_validator(mode="after")
    def _check_files(self) -> ArraysEntry:
        if self.path is None and (self.images is None or self.labels is None):
            got = listed(name for name in ("images", "labels") if getattr(self, name) is not None)
            raise ValueError(f"got {got or 'no file'}. Allowed: path of an .npz file, or images and labels.")
        return self

    @property
    def place(self) -> str:
        """The file of images."""
        return self.path or self.images or ""

    @property
    def options(self) -> Mapping[str, object]:
        """Names of the arrays in one file."""
        if self.path is None:
            return {}
        return {"images": self.images or "images", "labels": self.labels or "labels"}

    @property
    def beside(self) -> Mapping[str, str]:
        """The file of labels."""
        return {} if self.path is not None else {"labels": self.labels or ""}


SetEntry = Annotated[
    FolderEntry | CsvEntry | ParquetEntry | WebDatasetEntry | HfEntry | ArraysEntry | ModelVsHumanEntry,
    Field(discriminator="reader"),
]
"""A set of labelled images."""


class CorruptionsEntry(Strict):
    """Corrupted sets: read from `<corruption>/<severity>/<class>/`, or generated from the clean set.

    With the reader `webdataset` shards are in `<corruption>/<severity>/`; with `arrays`, `<corruption>.npy`
    holds all severities one after the other and `labels.npy` the labels, as CIFAR-10-C is published.

    Attributes:
        partial: folders of classes may be missing.
        sample: `one` shows each image under one corruption at one severity instead of all 75.
        encode: generated images go through a file format, as the stored ImageNet-C did: JPEG at quality 85.
        expected: number of images per corruption and severity.
    """

    sample: Sample = "all"
    generate: Literal["from clean"] | None = None
    encode: Literal["jpeg85"] | None = None
    reader: Literal["folder", "webdataset", "arrays"] | None = None
    path: str | None = None
    expected: int | None = Field(default=None, ge=1)
    prepared: bool = False
    partial: bool = False

    @property
    def place(self) -> str:
        """The folder of corruptions, relative to the data folder; empty where they are generated."""
        return self.path or ""

    @property
    def space(self) -> None:
        """Corrupted images are labelled in the model's own classes."""
        return None

    @property
    def beside(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    @property
    def options(self) -> Mapping[str, object]:
        """Whether classes may be missing."""
        return {"partial": self.partial} if self.reader == "folder" else {}
