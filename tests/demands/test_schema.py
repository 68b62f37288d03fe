import re
from dataclasses import fields

import pytest
from support.gate import thresholds
from support.requests import OF_THE_NUMBER

from quba_check.core.facts import SuiteFacts
from quba_check.core.request import NUMBERS, Request
from quba_check.core.serving import ServingPipeline
from quba_check.demands import threshold_schema
from quba_check.demands.bounds import BOUNDS, SETTINGS
from quba_check.demands.schema import CONDITIONS, VALUES, QubaEntry, is_entry
from quba_check.dimensions import registry


def places(schema, location=()):
    """Yield the place and the keys of each mapping in threshold files; `*` is any name."""
    for key in ("anyOf", "oneOf"):
        for option in schema.get(key, ()):
            yield from places(option, location)
    if "$ref" in schema:
        yield from places(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], location)
    if schema.get("type") == "object":
        inner = dict(schema.get("properties", {}))
        if isinstance(names := schema.get("additionalProperties"), dict):
            inner["*"] = names
        yield location, {*inner}
        for key, value in inner.items():
            yield from places(value, (*location, key))


STATED = {*CONDITIONS} - OF_THE_NUMBER
UNDER_A_CONDITION = {
    "set": "classes: {macro: {set: night, recall: {min: 0.5}}}",
    "pipeline": "classes: {macro: {pipeline: app, recall: {min: 0.5}}}",
    "at": "answers: {at: {probability: 0.5}, share: {min: 0.5}}",
    "prevalence": "classes: {dog: {prevalence: 0.1, precision: {min: 0.5}}}",
    "epsilon": "dimensions: {adversarial_robustness: {epsilon: 4/255, min: 0.5}}",
}
SCHEMA = threshold_schema()
PLACES = dict(places(SCHEMA))
ENTRIES = {
    location: conditions
    for location, keys in PLACES.items()
    if location and is_entry(location) and (conditions := sorted(keys & STATED))
}
"""Conditions of each kind of entry, by its place."""


def test_the_schema_names_dimensions_and_refuses_others():
    schema = threshold_schema()
    dimensions = schema["properties"]["dimensions"]["anyOf"][0]
    assert VALUES.keys() == NUMBERS.keys()
    assert [*dimensions["properties"]] == [name for name in registry.names if name not in NUMBERS]
    assert dimensions["properties"]["accuracy"]["description"] == registry["accuracy"].title
    assert dimensions["additionalProperties"] is False
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["schema"]


def test_only_adversarial_robustness_knows_masking():
    schema = threshold_schema()
    entries = schema["properties"]["dimensions"]["anyOf"][0]["properties"]
    attacked = {"$ref": "#/$defs/AttackedEntry"}
    or_list, null = entries["adversarial_robustness"]["anyOf"]
    assert or_list["oneOf"] == [attacked, {"type": "array", "items": attacked, "minItems": 1}]
    assert null == {"type": "null"}
    assert entries["accuracy"]["anyOf"][0]["oneOf"][0] == {"$ref": "#/$defs/AccuracyEntry"}
    assert entries["flops"]["anyOf"][0] == {"$ref": "#/$defs/DimensionEntry"}
    parts = schema["$defs"]["AttackedEntry"]["properties"]["parts"]["anyOf"][0]["additionalProperties"]
    assert parts["anyOf"][0] == {"$ref": "#/$defs/AttackedPartEntry"}
    knowing = {name for name, entry in schema["$defs"].items() if "allow_masked" in entry["properties"]}
    assert knowing == {"AttackedEntry", "AttackedPartEntry"}
    assert schema["$defs"]["QubaEntry"]["properties"]["allow_other_suite"]["anyOf"][0] == {"type": "boolean"}


@pytest.mark.parametrize(
    ("bound", "number"),
    [
        ("min", {"type": "number"}),
        ("max", {"type": "number"}),
        ("max_drop", {"type": "number", "minimum": 0}),
        ("max_relative_drop", {"type": "number", "minimum": 0}),
    ],
)
def test_a_bound_is_a_number_or_a_percentage(bound, number):
    allowed = threshold_schema()["$defs"]["DimensionEntry"]["properties"][bound]["anyOf"]
    assert allowed[0] == number
    percentage = allowed[1]["pattern"]
    assert re.search(percentage, "2.5 %")
    assert not re.search(percentage, "-2%")
    assert allowed[2] == {"type": "null"}


def test_each_condition_of_requests_is_a_key_of_entries():
    assert {key for conditions in ENTRIES.values() for key in conditions} == STATED


def test_each_key_of_an_entry_is_a_condition_a_setting_or_has_bounds():
    """A condition under a name that requests do not have would move inherited demands."""
    numbers = {name for section in NUMBERS.values() for name in section}
    known = {*STATED, *BOUNDS, *SETTINGS, *numbers, "waive", "title", "slices", "parts"}
    for location, keys in PLACES.items():
        if location and is_entry(location):
            assert keys <= ({*QubaEntry.model_fields} if location == ("quba",) else known), location


def test_only_entries_have_conditions():
    assert {location for location, keys in PLACES.items() if keys & STATED} == {*ENTRIES}


@pytest.mark.parametrize("condition", sorted(STATED))
def test_each_condition_of_a_file_is_one_of_its_request(condition: str):
    """A key that no section reads would demand the number of all images."""
    suite = SuiteFacts(
        "pets", 2, ("night",), (), {}, class_names=("cat", "dog"), serving={"app": ServingPipeline()}
    )
    (demand,) = thresholds(UNDER_A_CONDITION[condition], suite).demands
    assert demand.request is not None
    assert (
        getattr(demand.request, condition)
        != {field.name: field.default for field in fields(Request)}[condition]
    )
