"""Keys and types of `quba-data.yaml` as pydantic models, the source of its JSON Schema."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from quba_check.core.classes import CombiningRule
from quba_check.core.facts import ConfidenceScore
from quba_check.core.serving import (
    METHODS,
    STEPS,
    Channels,
    Crop,
    InputType,
    Library,
    Method,
    Resize,
    ServingPipeline,
)
from quba_check.core.view import CORRUPTIONS, UNKNOWN_PREFIX
from quba_check.errors import InvalidValueError
from quba_check.messages import listed
from quba_check.strict_yaml import Strict, describe
from quba_check.strict_yaml.schema import SchemaVersion
from quba_check.suites.label_spaces import IMAGENET
from quba_check.suites.manifest.set_schema import (
    TEXT_OR_KEYS,
    AnySet,
    CorruptionsEntry,
    CueConflictEntry,
    SetEntry,
    UnknownSet,
    UnlabelledEntry,
)

CLASS_FILE_SUFFIX = ".txt"
_CALL = re.compile(r"(?!__)\w+(\.\w+)*:\w+(\.\w+)*")


class UnknownEntry(BaseModel):
    """Images of no class, by name: a folder, or the keys of a set.

    Attributes:
        score: the score that separates them from the clean images.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, UnknownSet]

    score: ConfidenceScore = "max_probability"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sets, as given."""
        return tuple(self.__pydantic_extra__)

    def sets(self, *, prepared: bool) -> dict[str, AnySet]:
        """Return the sets by their names in views, such as `unknown/near`.

        Args:
            prepared: for sets that do not state it.
        """
        sets: dict[str, AnySet] = {}
        for name, given in self.__pydantic_extra__.items():
            entry = UnlabelledEntry(path=given) if isinstance(given, str) else given
            keys: dict[str, str | bool] = {}
            if isinstance(entry, UnlabelledEntry):
                keys["reader"] = "unlabelled"
            if "prepared" not in entry.model_fields_set:
                keys["prepared"] = prepared
            sets[f"{UNKNOWN_PREFIX}{name}"] = entry.model_copy(update=keys)
        return sets


class DecidedEntry(Strict):
    """One row for each group of another set, by exactly one of two rules.

    Attributes:
        of: name of the other set, which declares `group`, or of a corruption.
        by: `mean`: the class with the highest mean probability; `majority`: the most frequent answer.
        any: a class: the group is of it if one of its images is called so, or labelled so.
    """

    of: str
    by: Literal["mean", "majority"] | None = None
    any_of: str | None = Field(default=None, alias="any")

    @model_validator(mode="after")
    def _check_rule(self) -> DecidedEntry:
        if (self.by is None) == (self.any_of is None):
            got = "neither" if self.by is None else "both"
            raise InvalidValueError(got=got, allowed="by, which is mean or majority, or any, a class")
        return self


class SetEntries(Strict):
    """The sets of a suite.

    Each may be left out; dimensions that need it are then unmeasurable.

    Attributes:
        clean: unchanged images; most dimensions need them.
        shifts: other renditions of the classes, by name, for ood_robustness.
        other: labelled sets that no dimension counts, by name, such as one to choose thresholds on.
        decided: sets with one row for each group of another set, by name, such as one for each patient.
        mixed_same: objects on backgrounds of their own class, for object_focus.
        mixed_rand: objects on backgrounds of random classes, for object_focus.
        cue_conflict: images with the shape of one class and the texture of another, for shape_bias.
        unknown: images of no class, by name, for unknown_detection.
    """

    clean: SetEntry | None = None
    corruptions: CorruptionsEntry | None = None
    shifts: dict[str, SetEntry] = Field(default_factory=dict)
    other: dict[str, SetEntry] = Field(default_factory=dict)
    decided: dict[str, DecidedEntry] = Field(default_factory=dict)
    mixed_same: SetEntry | None = None
    mixed_rand: SetEntry | None = None
    cue_conflict: CueConflictEntry | None = None
    unknown: UnknownEntry = Field(default_factory=lambda: UnknownEntry.model_validate({}))

    @property
    def corruption_names(self) -> tuple[str, ...]:
        """Names of the corruptions, and of those that the suite adds."""
        return (*CORRUPTIONS, *([] if self.corruptions is None else self.corruptions.extra))


class ResizeEntry(Strict):
    """The resize of a serving pipeline.

    Attributes:
        library: the library that resizes; `torchvision` if `antialias` is stated, else `pillow`.
        method: its interpolation; by default the model's own.
        antialias: `false` shrinks images without a filter; for `torchvision`.
    """

    library: Library | None = None
    method: Method | None = None
    antialias: bool | None = None

    @model_validator(mode="after")
    def _check_library(self) -> ResizeEntry:
        library = self.resize.library
        if self.antialias is not None and library != "torchvision":
            raise InvalidValueError("antialias belongs to library: torchvision", got=f"library: {library}")
        if self.method is not None and self.method not in METHODS[library]:
            raise InvalidValueError(
                f"{library} has no method '{self.method}'", allowed=", ".join(METHODS[library])
            )
        return self

    @property
    def resize(self) -> Resize:
        """The resize, with its library."""
        default: Library = "pillow" if self.antialias is None else "torchvision"
        return Resize(self.library or default, self.method, self.antialias)


class ServingEntry(Strict):
    """The preprocessing of an application; a missing key keeps the model's own.

    Attributes:
        decode: the library that decodes files.
        jpeg: quality of the JPEG file that decoded images pass through, before the resize.
        resize: the resize.
        crop: `center` crops as the model does; `squash` resizes the whole image to the model's input size;
            `letterbox` keeps its aspect ratio and pads with black.
        channels: order of the channels that reach the model.
        dtype: number format that the normalised input is rounded to.
        call: `package.module:function` in place of all other keys; see docs/parity.md.
    """

    decode: Library | None = None
    jpeg: Annotated[int, Field(ge=1, le=100)] | None = None
    resize: ResizeEntry | None = None
    crop: Crop | None = None
    channels: Channels | None = None
    dtype: InputType | None = None
    call: str | None = None

    @model_validator(mode="after")
    def _check_call(self) -> ServingEntry:
        stated = [name for name, value in self if value is not None]
        if not stated:
            raise InvalidValueError(got="nothing", allowed=f"one or more of {listed(STEPS)}, or call")
        if self.call is not None and len(stated) > 1:
            raise InvalidValueError(
                "call replaces all steps", got=f"it together with {stated[0]}", hint="State call alone."
            )
        if self.call is not None and not _CALL.fullmatch(self.call):
            raise InvalidValueError(where="call", got=describe(self.call), allowed="package.module:function")
        return self

    @property
    def pipeline(self) -> ServingPipeline:
        """The pipeline that the keys state."""
        values = {name: getattr(self, name) for name in STEPS if name != "resize"}
        resize = None if self.resize is None else self.resize.resize
        return ServingPipeline(**values, resize=resize, call=self.call or "")


class SpaceEntry(BaseModel):
    """A label space: the model's classes that belong to each of its classes.

    Attributes:
        by: rule of the predicted class. `mean`: the highest mean probability over its members; `argmax`: the
            most probable member; `map`: the class of the model's own prediction.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, list[str]]

    by: CombiningRule = "mean"

    @property
    def members(self) -> dict[str, list[str]]:
        """Names of the model's classes by class of the space."""
        return self.__pydantic_extra__


class PromptsEntry(Strict):
    """Prompts for zero-shot models.

    Attributes:
        templates: texts with `{}` in place of the name of a class.
        names: names of classes in them.
    """

    templates: list[str] | None = None
    names: dict[str, str] = Field(default_factory=dict)


def _kind(value: object) -> str:
    """Select the alternative by type, for errors with its own line and message."""
    return "(text)" if isinstance(value, str) else "(list)" if isinstance(value, list) else "(keys)"


ClassNames = Annotated[
    Annotated[str, Tag("(text)")]
    | Annotated[list[str], Tag("(list)")]
    | Annotated[dict[str, str], Tag("(keys)")],
    Discriminator(_kind),
]
"""`imagenet` or the name of a text file; names; names with readable ones."""
Space = Annotated[Annotated[str, Tag("(text)")] | Annotated[SpaceEntry, Tag("(keys)")], TEXT_OR_KEYS]


class ManifestEntry(Strict):
    """A whole manifest, as written in the file.

    Attributes:
        schema_version: version of this format.
        name: name of the suite; populations and baselines refer to it.
        classes: the classes in the order of the model's outputs: `imagenet`, a list, names with readable
            ones, or a text file.
        image_size: side in pixels for models that state no preprocessing.
        spaces: label spaces by name.
        positive: the class of two that a model with a single output gives the probability of.
        restrict: the models have more classes than `classes`, and only these count. `true`: ImageNet's 1,000;
            or a text file with all classes.
        training: the images that models were trained with, for `quba-check suite check`: a folder, or a text
            file with a path a line, relative to the data folder.
        serving: preprocessing of the applications that use the models, by name, for demands under `serving`.
    """

    schema_version: SchemaVersion = Field(alias="schema")
    name: str
    classes: ClassNames
    positive: str | None = None
    restrict: bool | str = False
    image_size: int | None = Field(default=None, ge=1)
    sets: SetEntries
    spaces: dict[str, Space] = Field(default_factory=dict)
    prompts: PromptsEntry | None = None
    training: str | None = None
    serving: dict[str, ServingEntry] = Field(default_factory=dict)

    @field_validator("classes", mode="before")
    @classmethod
    def _check_kind(cls, value: object) -> object:
        if isinstance(value, list | dict) or value == IMAGENET or str(value).endswith(CLASS_FILE_SUFFIX):
            return value
        raise InvalidValueError(
            got=describe(value),
            allowed=f"{IMAGENET}, a list of class names, class names with readable names as their "
            f"values, or a {CLASS_FILE_SUFFIX} file",
        )

    @field_validator("restrict", mode="before")
    @classmethod
    def _check_restrict(cls, value: object) -> object:
        if isinstance(value, bool) or (isinstance(value, str) and value.endswith(CLASS_FILE_SUFFIX)):
            return value
        raise InvalidValueError(
            got=describe(value),
            allowed=f"true (some of ImageNet's classes are scored), false, or a {CLASS_FILE_SUFFIX} "
            "file with all classes of the models",
        )
