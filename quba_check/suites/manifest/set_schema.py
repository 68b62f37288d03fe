"""Sets in `quba-data.yaml`: one pydantic model for each reader, selected by the key `reader`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from quba_check.core.view import SEVERITIES, UNKNOWN_PREFIX, ExtraCorruption, View
from quba_check.errors import InvalidValueError
from quba_check.messages import listed
from quba_check.strict_yaml import Strict, describe
from quba_check.suites.readers.listing import ReaderInput


class GroupRule(Strict):
    """Groups of images by their paths, by exactly one of two rules.

    Attributes:
        path: a regular expression with the named group `group`, which is searched in the path below the data
            folder, or in the name inside a container.
        folders: number of folders, from the first one below the set's path, that name the group.
    """

    path: str | None = None
    folders: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check_rule(self) -> GroupRule:
        if (self.path is None) == (self.folders is None):
            got = "neither" if self.path is None else "both"
            raise InvalidValueError(got=got, allowed="path, a regular expression, or folders, a number")
        if self.path is not None:
            import regex

            try:
                names = regex.compile(self.path).groupindex
            except regex.error as error:
                raise ValueError(f"path is not a regular expression ({error}).") from None
            if "group" not in names:
                raise InvalidValueError("path has no named group", allowed="a part in (?P<group>…)")
        return self


TEXT_OR_KEYS = Discriminator(lambda value: "(text)" if isinstance(value, str) else "(keys)")
"""Selects the alternative by type, for errors with its own line and message."""
Group = Annotated[Annotated[str, Tag("(text)")] | Annotated[GroupRule, Tag("(keys)")], TEXT_OR_KEYS]
"""A column, or a rule for paths."""


Property = Literal["brightness", "sharpness", "size"]
SEPARATORS = ("=", ",")
"""Characters of names of slices that columns and values must not have."""


class _Entry(Strict):
    """Keys of every set.

    Attributes:
        reader: layout of the set.
        path: its folder or file, relative to the data folder.
        expected: number of published images.
        prepared: stored at the final size: resized if necessary, not cropped again.
        space: label space of its labels; by default the model's own classes.
        group: the images that belong together, such as those of a patient: a column, or a rule for paths.
            Groups of the same name in several sets are one group.
        slices: columns whose values are slices, for demands on some of the images; a list of columns crosses
            their values.
        properties: properties of the images that make slices.
    """

    has_columns: ClassVar[bool] = False

    reader: str
    path: str | None = None
    expected: int | None = Field(default=None, ge=1)
    prepared: bool = False
    space: str | None = None
    group: Group | None = None
    slices: tuple[str | tuple[str, ...], ...] = ()
    properties: tuple[Property, ...] = ()

    @field_validator("group", mode="before")
    @classmethod
    def _check_group(cls, value: object) -> object:
        if value is None or isinstance(value, str | dict):
            return value
        raise InvalidValueError(got=describe(value), allowed="a column, {path: REGEX} or {folders: NUMBER}")

    @model_validator(mode="after")
    def _check_columns(self) -> _Entry:
        if self.columns and not self.has_columns:
            others = "group: {path: REGEX} or {folders: NUMBER}" if self.group else "properties"
            raise InvalidValueError(
                got=f"the column '{self.columns[0]}' with reader: {self.reader}, which has no columns",
                allowed=f"{others}, or a reader with columns",
            )
        for name, times in Counter(self.slice_names).items():
            if times > 1:
                raise ValueError(f"slices: '{name}' is listed twice.")
        for column in (column for crossed in self.crossed for column in (crossed or ("",))):
            if not column or any(separator in column for separator in SEPARATORS):
                raise InvalidValueError(
                    where="slices", got=f"the column '{column}'", allowed="names without = and commas"
                )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns to read in addition to images and labels."""
        group = (self.group,) if isinstance(self.group, str) else ()
        return tuple(dict.fromkeys([*group, *(column for crossed in self.crossed for column in crossed)]))

    @property
    def crossed(self) -> tuple[tuple[str, ...], ...]:
        """The columns of each kind of slices, several if they are crossed."""
        return tuple((columns,) if isinstance(columns, str) else columns for columns in self.slices)

    @property
    def slice_names(self) -> tuple[str, ...]:
        """Names of the kinds of slices: columns, joined by a comma if crossed, and properties."""
        return (*(",".join(crossed) for crossed in self.crossed), *self.properties)

    def source_of(self, _view: View) -> ReaderInput:
        """Return the reader's input: the path, and the keys that other readers do not have."""
        own = [key for key in type(self).model_fields if key not in _Entry.model_fields]
        options = {key: getattr(self, key) for key in own}
        return ReaderInput(self.path or "", options | ({"columns": self.columns} if self.columns else {}))


class _PathEntry(_Entry):
    """A set at a path, relative to the data folder."""

    path: str


class _TableEntry(_PathEntry):
    """A set with columns. One of the unknown sets needs no labels."""

    has_columns = True

    def source_of(self, view: View) -> ReaderInput:
        """Return the reader's input for a view of the set."""
        source = super().source_of(view)
        if not view.set.startswith(UNKNOWN_PREFIX):
            return source
        return replace(source, options={**source.options, "is_labelled": False})


class FolderEntry(_PathEntry):
    """Images in one folder per class.

    Attributes:
        path: the folder of class folders, relative to the data folder.
        partial: classes may have no folder.
        real_labels: `real.json` of ReaL, relative to the data folder: the right labels of ImageNet's
            validation images; those without one are left out.
    """

    reader: Literal["folder"]
    partial: bool = False
    real_labels: str | None = None

    def source_of(self, _view: View) -> ReaderInput:
        """Return the reader's input for a view of the set."""
        files = {} if self.real_labels is None else {"real_labels": self.real_labels}
        return ReaderInput(self.path, {"partial": self.partial}, files)


class CsvEntry(_TableEntry):
    """Images listed in the CSV file `path` with the columns `path` and `label`."""

    reader: Literal["csv"]


class ModelVsHumanEntry(_PathEntry):
    """Images named `*_*_*_*_<category>_*.png` in the folder `path`."""

    reader: Literal["model-vs-human"]


class CueConflictEntry(_PathEntry):
    """Images with two cues, named `<shape><i>-<texture><j>.png`, in the folder `path` or in one per shape."""

    reader: Literal["cue-conflict"]


class ParquetEntry(_TableEntry):
    """Images listed or stored in a Parquet file, with a column of labels.

    Attributes:
        path: the file; a folder or a pattern such as `test-*.parquet` for several.
        image: the column of images; by default `path`, or `image` if there is no such column.
        label: the column of labels.
    """

    reader: Literal["parquet"]
    image: str | None = None
    label: str = "label"


class WebDatasetEntry(_TableEntry):
    """Images and labels in tar files: `0001.jpg` with `0001.cls`, or `0001.json` with a `label`.

    Attributes:
        path: a shard, a folder of them, or a pattern such as `val-{000..049}.tar` or `val-*.tar`.
    """

    reader: Literal["webdataset"]


class HfEntry(_TableEntry):
    """A Hugging Face dataset written by `save_to_disk`.

    Attributes:
        path: the folder.
        split: the split, if the folder holds several.
        image: the column of images.
        label: the column of labels.
    """

    reader: Literal["hf"]
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
            raise InvalidValueError(
                got=got or "no file", allowed="path of an .npz file, or images and labels"
            )
        return self

    def source_of(self, _view: View) -> ReaderInput:
        """Return the reader's input for a view of the set."""
        if self.path is None:
            return ReaderInput(self.images or "", files={"labels": self.labels or ""})
        return ReaderInput(self.path, {"images": self.images or "images", "labels": self.labels or "labels"})


class UnlabelledEntry(_PathEntry):
    """Images of no class in a folder, at any depth.

    Attributes:
        path: the folder, relative to the data folder.
        prepared: stored at the final size; by default as the clean set.
    """

    reader: Literal["unlabelled", "folder"] = "unlabelled"

    @field_validator("reader", mode="before")
    @classmethod
    def _check_reader(cls, value: object) -> object:
        if value in ("unlabelled", "folder"):
            return value
        raise InvalidValueError(got=describe(value), allowed="folder, csv, parquet")


SetEntry = Annotated[
    FolderEntry | CsvEntry | ParquetEntry | WebDatasetEntry | HfEntry | ArraysEntry | ModelVsHumanEntry,
    Field(discriminator="reader"),
]
"""A set of labelled images."""


def _kind_of_unknown(value: object) -> str:
    reader = value.get("reader") if isinstance(value, dict) else "(text)"
    return str(reader) if reader in ("(text)", "csv", "parquet") else "(folder)"


UnknownSet = Annotated[
    Annotated[str, Tag("(text)")]
    | Annotated[UnlabelledEntry, Tag("(folder)")]
    | Annotated[CsvEntry, Tag("csv")]
    | Annotated[ParquetEntry, Tag("parquet")],
    Discriminator(_kind_of_unknown),
]
"""A set of images of no class: a folder, or the keys of a set, whose labels are ignored."""


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
        extra: further corruptions, as parts of corruption_robustness outside of its value.
        encode: generated images go through a file format, as the stored ImageNet-C did: JPEG at quality 85.
        expected: number of images per corruption and severity.
    """

    columns: ClassVar[tuple[str, ...]] = ()
    crossed: ClassVar[tuple[tuple[str, ...], ...]] = ()
    slice_names: ClassVar[tuple[str, ...]] = ()
    properties: ClassVar[tuple[Property, ...]] = ()
    space: ClassVar[str | None] = None  # labelled in the model's own classes
    group: ClassVar[Group | None] = None  # those of the clean images that are shown

    sample: Literal["one", "all"] = "all"
    generate: Literal["from clean"] | None = None
    extra: list[ExtraCorruption] = Field(default_factory=list)
    encode: Literal["jpeg85"] | None = None
    reader: Literal["folder", "webdataset", "arrays"] | None = None
    path: str | None = None
    expected: int | None = Field(default=None, ge=1)
    prepared: bool = False
    partial: bool = False

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
