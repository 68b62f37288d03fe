import re

import pytest

from quba_check.demands import threshold_schema
from quba_check.dimensions import registry


def test_the_schema_names_dimensions_and_refuses_others():
    schema = threshold_schema()
    dimensions = schema["properties"]["dimensions"]["anyOf"][0]
    assert tuple(dimensions["properties"]) == registry.names
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
