"""Sets in `quba-data.yaml`: one pydantic model for each reader, selected by the key `reader`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from quba_check.core.facts import ConfidenceScore
from quba_check.core.view import SEVERITIES, UNKNOWN_PREFIX, View
from quba_check.messages import listed
from quba_check.strict_yaml import Strict


@dataclass(frozen=True, slots=True)
class ReaderInput:
    """Input of a reader.

    Attributes:
        path: folder or file, relative to the data folder.
        options: further arguments of the reader.
        files: further files of the reader by argument name, relative to the data folder.
    """

    path: str
    options: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


class _Entry(Strict):
    """Keys of every set.

    Attributes:
        reader: layout of the set.
        path: its folder or file, relative to the data folder.
        expected: number of published images.
        prepared: stored at the final size: resized if necessary, not cropped again.
        space: label space of its labels; by default the model's own classes.
    """

    reader: str
    path: str | None = None
    expected: int | None = Field(default=None, ge=1)
    prepared: bool = False
    space: str | None = None

    def source_of(self, _view: View) -> ReaderInput:
        """Return the reader's input: the path, and the keys that other readers do not have."""
        own = [key for key in type(self).model_fields if key not in _Entry.model_fields]
        return ReaderInput(self.path or "", {key: getattr(self, key) for key in own})


class FolderEntry(_Entry):
    """Images in one folder per class.

    Attributes:
        path: the folder of class folders, relative to the data folder.
        partial: classes may have no folder.
    """

    reader: Literal["folder"]
    path: str
    partial: bool = False


class CsvEntry(_Entry):
    """Images listed in the CSV file `path` with the columns `path` and `label`."""

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
    """Images listed or stored in a Parquet file, with a column of labels.

    Attributes:
        path: the file; a folder or a pattern such as `test-*.parquet` for several.
        image: the column of images; by default `path`, or `image` if there is no such column.
        label: the column of labels.
    """

    reader: Literal["parquet"]
    path: str
    image: str | None = None
    label: str = "label"


class WebDatasetEntry(_Entry):
    """Images and labels in tar files: `0001.jpg` with `0001.cls`, or `0001.json` with a `label`.

    Attributes:
        path: a shard, a folder of them, or a pattern such as `val-{000..049}.tar` or `val-*.tar`.
    """

    reader: Literal["webdataset"]
    path: str


class HfEntry(_Entry):
    """A Hugging Face dataset written by `save_to_disk`.

    Attributes:
        path: the folder.
        split: the split, if the folder holds several.
        image: the column of images.
        label: the column of labels.
    """

    reader: Literal["hf"]
    path: str
    split: str | None = None
    image: str = "image"
    label: str = "label"


class ArraysEntry(_Entry):
    """Arrays of images and labels, in one `.npz` file or two `.npy` or idx files.

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

    def source_of(self, _view: View) -> ReaderInput:
        """Return the reader's input for a view of the set."""
        if self.path is None:
            return ReaderInput(self.images or "", files={"labels": self.labels or ""})
        return ReaderInput(self.path, {"images": self.images or "images", "labels": self.labels or "labels"})


SetEntry = Annotated[
    FolderEntry | CsvEntry | ParquetEntry | WebDatasetEntry | HfEntry | ArraysEntry | ModelVsHumanEntry,
    Field(discriminator="reader"),
]
"""A set of labelled images."""


class UnknownEntry(BaseModel):
    """Sets of images of no class: by name a folder, with images at any depth.

    Attributes:
        score: the score that separates them from the clean images.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, str]

    score: ConfidenceScore = "max_probability"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sets, as given."""
        return tuple(self.__pydantic_extra__)

    def sets(self, *, prepared: bool) -> dict[str, _Entry]:
        """Return the sets by their names in views, such as `unknown/near`."""
        return {
            f"{UNKNOWN_PREFIX}{name}": _Entry(reader="unlabelled", path=path, prepared=prepared)
            for name, path in self.__pydantic_extra__.items()
        }


class CorruptionsEntry(Strict):
    """Corrupted sets: read from `<corruption>/<severity>/<class>/`, or generated from the clean set.

    With the reader `webdataset`, shards are in `<corruption>/<severity>/`. With `arrays`, `<corruption>.npy`
    holds all severities one after the other and `labels.npy` the labels, as CIFAR-10-C is published.

    Attributes:
        generate: makes the images from the clean set while they are read.
        reader: layout of stored images.
        path: their folder, relative to the data folder.
        prepared: stored at the final size: resized if necessary, not cropped again.
        partial: folders of classes may be missing.
        sample: `one` shows each image under one corruption at one severity instead of all 75.
        encode: generated images go through a file format, as the stored ImageNet-C did: JPEG at quality 85.
        expected: number of images per corruption and severity.
    """

    sample: Literal["one", "all"] = "all"
    generate: Literal["from clean"] | None = None
    encode: Literal["jpeg85"] | None = None
    reader: Literal["folder", "webdataset", "arrays"] | None = None
    path: str | None = None
    expected: int | None = Field(default=None, ge=1)
    prepared: bool = False
    partial: bool = False

    @property
    def space(self) -> None:
        """Corrupted images are labelled in the model's own classes."""
        return None

    def source_of(self, view: View) -> ReaderInput:
        """Return the reader's input for one corruption at one severity, or for all of them."""
        options = {"partial": self.partial} if self.reader == "folder" else {}
        if view.corruption is None or view.severity is None:
            return ReaderInput(self.path or "", options)
        path = f"{self.path}/{view.corruption}"
        if self.reader != "arrays":
            return ReaderInput(f"{path}/{view.severity}", options)
        part = (view.severity - 1, len(SEVERITIES))
        return ReaderInput(f"{path}.npy", {"part": part}, {"labels": f"{self.path}/labels.npy"})


AnySet = _Entry | CorruptionsEntry
