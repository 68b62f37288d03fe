"""The schema of threshold files: keys and types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.protocols import ProtocolName
from quba_check.core.request import NOT_AS, AnswerScore, Request
from quba_check.demands.demand import Uncertain
from quba_check.demands.fields import (
    AttackSize,
    Bound,
    Confidence,
    Count,
    Day,
    DropBound,
    Entries,
    Letter,
    Level,
    OwnLevels,
    SetNames,
    as_share,
)
from quba_check.dimensions import registry
from quba_check.records.verdict import Tier
from quba_check.strict_yaml import Location, Strict
from quba_check.strict_yaml.schema import LONGEST_TITLE, SchemaVersion, Title, Words

BY_NAME = ("dimensions", "classes")
"""Sections whose entries are independent of each other."""
CONDITIONS = tuple(field.name for field in fields(Request))
"""Keys of an entry that are its conditions: they have the name of a field of requests."""
VALUES: Mapping[str, Location] = {
    "classes": ("macro", "recall"),
    "answers": ("aurc",),
    "parity": ("agreement",),
}
"""Keys of the number that is the value of a dimension with a section of its own."""
POPULATIONS = ("published", "screened", "demo")
"""Names of the reference populations in the package."""


def is_entry(location: Location) -> bool:
    """Return True for the place of an entry with bounds, conditions and settings."""
    depth = 4 if location[:2] == ("classes", NOT_AS) else 2
    return len(location) == (depth if location[0] in BY_NAME else 1)


def dimension_names() -> tuple[str, ...]:
    """Return the names of the dimensions without a section of their own."""
    return tuple(name for name in registry.names if name not in VALUES)


def value_entry(dimension: str, entry: Any) -> Any:
    """Return an entry on the value of a dimension, in its section.

    >>> value_entry("classes", {"min": 0.9})
    {'classes': {'macro': {'recall': {'min': 0.9}}}}
    """
    for key in reversed((dimension, *VALUES[dimension])):
        entry = {key: entry}
    return entry


def _key(description: str) -> Any:
    """Return the default of an optional key, which is None, with its description."""
    return Field(None, description=description)


_TITLE = f"Name of the demand for people, at most {LONGEST_TITLE} characters; reports show it first."
_WAIVE = "Release the model until a day although it does not meet the bound."


class WaiverEntry(Strict):
    """An exception from a demand that ends; a run warns of a needless one."""

    until: Day = Field(description="Last day on which it holds, in UTC.")
    by: Words = Field(description="Who decided it.")
    reason: Words = Field(description="Why the model may be released until then.")
    at_least: Annotated[float | Letter, BeforeValidator(as_share)] | None = _key(
        "A min bound: the worst value that is allowed."
    )
    at_most: Annotated[float, BeforeValidator(as_share)] | None = _key(
        "A max bound or a drop: the worst value that is allowed."
    )


class PartEntry(Strict):
    """Demands on a part of a dimension. Null removes a key of the extended file."""

    min: Bound | None = _key("The value must be at least this (higher is better), for example 0.6 or 60%.")
    max: Bound | None = _key("The value must be at most this (lower is better), likewise; counts without %.")
    max_drop: DropBound | None = _key("At most this much worse than the baseline's value (--quba-baseline).")
    max_relative_drop: DropBound | None = _key(
        "Worse than the baseline's value by at most this share of it, for example 0.02 or 2%."
    )
    tier: Tier | None = _key(
        "block (default): no release unless the demand is met; warn and info only report."
    )
    optional: bool | None = _key(
        "Skip the demand instead of failing it if images are missing or do not allow a value."
    )
    waive: WaiverEntry | None = _key(_WAIVE)
    title: Title | None = _key(_TITLE)


class SliceEntry(PartEntry):
    """Demands on all slices of a column (`worst`, `gap`), or on one slice."""

    worst: PartEntry | None = _key("Bound on the worst slice of the column.")
    gap: PartEntry | None = _key("Bound on how much worse a slice is than all other images: the largest gap.")
    min_images: Count | None = _key(
        "Slices with fewer images are named, not judged (default 50; decided sets 10; calibration_error 500)."
    )
    min_groups: Count | None = _key("Likewise for groups of images, if the set declares them (default 10).")


class NumberEntry(PartEntry):
    """Demands on a number, and on slices of the images."""

    slices: dict[str, SliceEntry | None] | None = _key(
        "Demands on slices of the images, by column (lighting) or slice (lighting=night)."
    )


_SET = "The judged set, or several, each judged by itself (default: clean)."
_PIPELINE = "The serving pipeline in front of the model; max_drop counts from the model's own preprocessing."


class DimensionEntry(NumberEntry):
    """Demands on a dimension and its parts."""

    parts: dict[str, PartEntry | None] | None = _key(
        "Demands on parts, by name. tier and optional default to those of the dimension."
    )


class DimensionOnSetsEntry(DimensionEntry):
    """Demands on a dimension and its parts, on any labelled set."""

    set: SetNames | None = _key(_SET)


class AccuracyEntry(DimensionOnSetsEntry):
    """Demands on accuracy, on any labelled set and behind a serving pipeline."""

    pipeline: Words | None = _key(_PIPELINE)


class AttackedPartEntry(PartEntry):
    """Demands on a part of adversarial_robustness."""

    allow_masked: bool | None = _key(
        "Judge a masked value by its bound; else it fails as no evidence of robustness."
    )


class AttackedEntry(AttackedPartEntry, NumberEntry):
    """Demands on adversarial_robustness and its parts."""

    parts: dict[str, AttackedPartEntry | None] | None = _key(
        "Demands on parts, by name. tier, optional and allow_masked default to those of the dimension."
    )
    epsilon: AttackSize | None = _key("Largest change of a pixel by the attacks (default 8/255).")


class OperatingPointEntry(Strict):
    """The probability from which on an image is called the class."""

    probability: Level | None = _key("The probability itself, above 0 and at most 1.")
    specificity: Level | None = _key("Choose the lowest one with this specificity.")
    recall: Level | None = _key("Choose the highest one with this recall.")
    precision: Level | None = _key("Choose the lowest one from which on all have this precision.")
    chosen_on: Words | None = Field(
        None, alias="from", description="The set that it is chosen on, not the judged one."
    )


class _Conditions(Strict):
    """Conditions and settings of all numbers of an entry."""

    set: SetNames | None = _key(_SET)
    pipeline: Words | None = _key(_PIPELINE)
    tier: Tier | None = _key("Tier of these demands.")
    optional: bool | None = _key("Skip them if images are missing or do not allow a value.")


class MacroEntry(_Conditions):
    """Demands on the mean of all classes."""

    recall: NumberEntry | None = _key("Share of its images that are called so (sensitivity).")
    precision: NumberEntry | None = _key("Share of the images called so that are of it (PPV).")
    f1: NumberEntry | None = _key("Harmonic mean of recall and precision.")


class EachEntry(MacroEntry):
    """Demands on every class, judged by simultaneous limits."""

    specificity: NumberEntry | None = _key("Share of other images that are not called so.")


class ClassEntry(EachEntry):
    """Demands on a class against the rest, or on classes taken together (`benign|nevus`)."""

    npv: NumberEntry | None = _key("Share of the images not called so that are not of it.")
    auroc: NumberEntry | None = _key("Area under the ROC curve of the class's probability.")
    at: OperatingPointEntry | None = _key(
        "When an image is called the class (default: if it is the most probable one)."
    )
    prevalence: Annotated[float, Field(gt=0, lt=1)] | None = _key(
        "Restate precision and npv for this share of the class, above 0 and below 1."
    )


class ConfusionEntry(NumberEntry):
    """Demands on the share of a class's images that are called another class."""

    set: SetNames | None = _key(_SET)
    pipeline: Words | None = _key(_PIPELINE)


NotAs = dict[str, dict[str, Entries[ConfusionEntry] | None] | None]


class Classes(Strict):
    """Demands by name of a class, and on all of them."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Entries[ClassEntry] | None] = Field(init=False)

    each: Entries[EachEntry] | None = None
    macro: Entries[MacroEntry] | None = None
    not_as: NotAs | None = _key("Largest share of a class's images that are called another class.")


class AnswerRuleEntry(Strict):
    """The rule of answering: a threshold of a score, stated or chosen."""

    probability: OwnLevels | None = _key(
        "Answer from this largest probability on; of each predicted class, or `default`."
    )
    max_logit: float | None = _key("From this largest logit on.")
    energy: float | None = _key("From this logarithm of the sum of exp(logits) on.")
    error: Annotated[float, Field(gt=0, lt=1)] | None = _key(
        "From the lowest score on that keeps the error of answers to new images below this."
    )
    accuracy: Level | None = _key("From the lowest score on from which on all have this accuracy.")
    share: Level | None = _key("From the highest score on with which this share is answered.")
    confidence: Confidence | None = _key("Probability that `error` does so (default 0.95).")
    score: AnswerScore | None = _key("That score (default max_probability).")
    chosen_on: Words | None = Field(
        None, alias="from", description="The set that the score is chosen on, not the judged one."
    )


class AnswersEntry(_Conditions):
    """Demands on a model that answers only if it is sure enough."""

    at: AnswerRuleEntry | None = _key("When the model answers.")
    share: NumberEntry | None = _key("Share of images that are answered.")
    accuracy: NumberEntry | None = _key("Accuracy of the answered images.")
    aurc: NumberEntry | None = _key("Area under the risk-coverage curve.")


class ParityEntry(_Conditions):
    """Demands on equal answers of two models, or before and behind a pipeline."""

    agreement: NumberEntry | None = _key("Share of equal answers.")
    negative_flips: NumberEntry | None = _key(
        "Share of images that are classified correctly before, and wrongly now."
    )
    probability_change: NumberEntry | None = _key("99.9th percentile of the largest change of a probability.")


class Dimensions(Strict):
    """Demands by name of a registered dimension."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Entries[DimensionEntry] | None] = Field(init=False)

    accuracy: Entries[AccuracyEntry] | None = None
    calibration_error: Entries[DimensionOnSetsEntry] | None = None
    class_balance: Entries[DimensionOnSetsEntry] | None = None
    adversarial_robustness: Entries[AttackedEntry] | None = None


class QubaEntry(Strict):
    """Demands on the QUBA score and grade, and settings of both."""

    min_score: float | None = _key("The QUBA score must be at least this.")
    min_grade: Letter | None = _key("The letter must be at least this good.")
    tier: Tier | None = _key("Tier of both demands.")
    waive: WaiverEntry | None = _key(_WAIVE)
    title: Title | None = _key(_TITLE)
    weights: dict[str, float | None] | None = _key(
        "Weights of dimensions in the score, at least 0; they replace the defaults."
    )
    population: str | None = _key(
        "Reference population: published (default), screened, demo, or a file next to this one."
    )
    allow_missing: tuple[str, ...] | None = _key(
        "Dimensions that may be missing from the grade, which is then labelled partial."
    )
    allow_other_suite: bool | None = _key(
        "Grade even if the population was measured on another suite, with a note."
    )
    allow_transferred: bool | None = _key(
        "Count adversarial_robustness even if its attacks were computed on the reference, with a note."
    )


class ThresholdFile(Strict):
    """A threshold file of quba-check: the demands on a model."""

    schema_version: SchemaVersion = Field(alias="schema", description="Version of this format.")
    name: str | None = _key("Display name; by default the file's name.")
    extends: str | None = _key("The file next to this one, or the shipped profile, that this one extends.")
    protocol: ProtocolName | None = _key("The protocol of the thresholds.")
    baseline: Words | None = _key(
        "What drops are counted from: a name given to `quba-check approve`, or the path or URL "
        "of a record (else --quba-baseline)."
    )
    uncertain: Uncertain | None = _key(
        "How a bound within the noise is judged: point (default): by the value alone; "
        "fail: only values shown to meet the bound pass; allow: only values shown to miss it fail."
    )
    confidence: Confidence | None = _key("Level of the two-sided intervals of verdicts (default 0.95).")
    predictions: Literal["fresh"] | None = _key(
        "fresh: a run predicts every image again, and uses no stored predictions (as --quba-fresh)."
    )
    dimensions: Dimensions | None = _key("Demands by dimension.")
    classes: Classes | None = _key("Demands by name of a class, and on all classes.")
    answers: Entries[AnswersEntry] | None = _key("Demands on a model that answers only if it is sure enough.")
    parity: Entries[ParityEntry] | None = _key(
        "Demands on the answers of a model that replaces another one (--quba-reference), or behind a "
        "serving pipeline."
    )
    quba: QubaEntry | None = None


def threshold_schema() -> dict[str, Any]:
    """Return the JSON Schema of threshold files, with the registered dimensions by name.

    >>> " ".join(threshold_schema()["properties"])  # doctest: +NORMALIZE_WHITESPACE
    'schema name extends protocol baseline uncertain confidence predictions dimensions classes answers
    parity quba'
    """
    schema = ThresholdFile.model_json_schema(by_alias=True)
    entry = {"anyOf": [{"$ref": "#/$defs/DimensionEntry"}, {"type": "null"}]}
    dimensions = schema["$defs"].pop("Dimensions")
    specific = {name: {"anyOf": entry["anyOf"]} for name, entry in dimensions["properties"].items()}
    dimensions["properties"] = {
        name: {"description": registry[name].title, **specific.get(name, entry)} for name in dimension_names()
    }
    dimensions["additionalProperties"] = False
    schema["properties"]["dimensions"]["anyOf"][0] = dimensions
    options = schema["$defs"]["QubaEntry"]["properties"]["weights"]["anyOf"]
    weights = next(option for option in options if option["type"] == "object")
    weights["propertyNames"] = {"enum": list(PUBLISHED_DIMENSIONS)}
    return schema
