"""Strict reading of YAML files: plain data, line numbers, one-line messages."""

from quba_check.strict_yaml.document import Document, Location, describe, dotted_path
from quba_check.strict_yaml.reading import read_yaml
from quba_check.strict_yaml.schema import SchemaVersion, Strict, schema_problems, typed, validate

__all__ = [
    "Document",
    "Location",
    "SchemaVersion",
    "Strict",
    "describe",
    "dotted_path",
    "read_yaml",
    "schema_problems",
    "typed",
    "validate",
]
