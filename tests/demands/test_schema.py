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


def test_the_schema_knows_tiers_letters_and_protocols():
    schema = threshold_schema()
    quba = schema["$defs"]["QubaEntry"]["properties"]
    assert quba["min_grade"]["anyOf"][0]["enum"] == ["A", "B", "C", "D", "F"]
    assert quba["tier"]["anyOf"][0]["enum"] == ["block", "warn", "info"]
    assert schema["properties"]["protocol"]["anyOf"][0]["enum"] == ["standard", "released"]
    assert "accuracy" in quba["weights"]["anyOf"][0]["propertyNames"]["enum"]
