"""YAML files that people write, read strictly: plain data, lines, one-line messages."""

from quba_check.strict_yaml.document import Document, Location, described, dotted
from quba_check.strict_yaml.reading import read_yaml
from quba_check.strict_yaml.schema import SchemaVersion, Strict, validated

__all__ = ["Document", "Location", "SchemaVersion", "Strict", "described", "dotted", "read_yaml", "validated"]
