"""The form of `quba-data.yaml`: keys and types, as pydantic models from which the JSON Schema is made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator

from quba_check.protocol.space import Rule
from quba_check.strict_yaml import Strict, described
from quba_check.suites.label_spaces import IMAGENET

ReaderName = Literal["folder", "csv", "model-vs-human"]


class OwnSetEntry(Strict):
    """A set labelled in the model's own classes.

    Attributes:
        reader: how it is laid out.
        path: its folder or file, relative to the data folder.
        expected: number of images it is published with.
        prepared: stored at its final size: resized if need be, not cropped again.
        partial: a folder set may lack class folders.
    """

    reader: ReaderName
    path: str
    expected: int | None = Field(default=None, ge=1)
    prepared: bool = False
    partial: bool = False


class SpacedSetEntry(OwnSetEntry):
    """A set labelled in any label space; `space` names it, without it the model's own classes are meant."""

    space: str | None = None


class CueConflictEntry(Strict):
    """A set of images with two cues, named `<shape><i>-<texture><j>.png`."""

    reader: Literal["cue-conflict"]
    path: str
    expected: int | None = Field(default=None, ge=1)
    prepared: bool = False
    space: str | None = None


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


class SetEntries(Strict):
    """The sets of a suite. Each may be left out; what needs it is then unmeasurable."""

    clean: OwnSetEntry | None = None
    corruptions: CorruptionsEntry | None = None
    shifts: dict[str, SpacedSetEntry] = Field(default_factory=dict)
    mixed_same: SpacedSetEntry | None = None
    mixed_rand: SpacedSetEntry | None = None
    cue_conflict: CueConflictEntry | None = None


class SpaceEntry(BaseModel):
    """A label space: for each of its classes, the model's classes that belong to it."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, list[str]]

    by: Rule = "mean"

    @property
    def members(self) -> dict[str, list[str]]:
        """For each class of the space, names of the model's classes that belong to it."""
        return self.__pydantic_extra__


class PromptsEntry(Strict):
    """Words for zero-shot models.

    Attributes:
        templates: texts with `{}` where the name of a class goes.
        names: what classes are called in them.
    """

    templates: list[str] | None = None
    names: dict[str, str] = Field(default_factory=dict)


def _kind(value: object) -> str:
    """Which alternative is meant, so that a mistake in it is told as that and at its own line."""
    return "(text)" if isinstance(value, str) else "(several)"


Classes = Annotated[
    Annotated[Literal["imagenet"], Tag("(text)")] | Annotated[list[str], Tag("(several)")],
    Discriminator(_kind),
]
Space = Annotated[
    Annotated[str, Tag("(text)")] | Annotated[SpaceEntry, Tag("(several)")], Discriminator(_kind)
]


class ManifestEntry(Strict):
    """A whole manifest, as it stands in the file."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    classes: Classes
    image_size: int | None = Field(default=None, ge=1)
    sets: SetEntries
    spaces: dict[str, Space] = Field(default_factory=dict)
    prompts: PromptsEntry | None = None

    @field_validator("classes", mode="before")
    @classmethod
    def _check_kind(cls, value: object) -> object:
        if value != IMAGENET and not isinstance(value, list):
            raise ValueError(f"got {described(value)}. Allowed: {IMAGENET}, or a list of class names.")
        return value


def suite_schema() -> dict[str, Any]:
    """JSON Schema of `quba-data.yaml`, for editors."""
    return ManifestEntry.model_json_schema(by_alias=True)
