"""Strict reading of YAML files: plain data, line numbers, one-line messages."""

from quba_check.strict_yaml.document import Document as Document
from quba_check.strict_yaml.document import Location as Location
from quba_check.strict_yaml.document import describe as describe
from quba_check.strict_yaml.document import dotted_path as dotted_path
from quba_check.strict_yaml.document import read_yaml as read_yaml
from quba_check.strict_yaml.schema import Strict as Strict
from quba_check.strict_yaml.schema import check_schema as check_schema
from quba_check.strict_yaml.schema import schema_errors as schema_errors
from quba_check.strict_yaml.schema import typed as typed
from quba_check.strict_yaml.schema import validate as validate
