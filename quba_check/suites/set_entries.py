"""The form of a set in `quba-data.yaml`: one pydantic model a reader, told apart by the key `reader`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from quba_check.strict_yaml import Strict


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


SetEntry = Annotated[FolderEntry | CsvEntry | ModelVsHumanEntry, Field(discriminator="reader")]
"""A set of labelled images."""


class CorruptionsEntry(Strict):
    """Corrupted sets: read from `<corruption>/<severity>/<class>/`, or generated from the clean set.

    Attributes:
        expected: number of images per corruption and severity.
    """

    generate: Literal["from clean"] | None = None
    reader: Literal["folder"] | None = None
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
    def options(self) -> Mapping[str, object]:
        """Whether classes may be missing."""
        return {} if self.reader is None else {"partial": self.partial}
