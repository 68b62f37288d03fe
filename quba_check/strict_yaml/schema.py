"""Validation of documents by pydantic models, with one-line messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from quba_check.errors import InvalidValueError, UserError
from quba_check.messages import did_you_mean, listed, one_line
from quba_check.strict_yaml.document import Document, Location, describe, dotted_path

Model = TypeVar("Model", bound=BaseModel)
_Schema = dict[str, Any]

_ALLOWED = {
    "bool_type": "true or false",
    "dict_type": "keys with values",
    "float_type": "a number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "list_type": "a list",
    "model_attributes_type": "keys with values",
    "model_type": "keys with values",
    "none_required": "nothing",
    "string_type": "text",
    "too_short": "a list that is not empty",
    "tuple_type": "a list",
}
"""Allowed values in words, by pydantic's type of error."""


def _check_whole(value: Any) -> Any:
    """Refuse `true` and `1.0`, equal to 1 in Python."""
    if type(value) is not int:
        raise InvalidValueError(got=describe(value), allowed="1")
    return value


SchemaVersion = Annotated[Literal[1], BeforeValidator(_check_whole)]
"""Version of a file format: the integer 1, not `true` or `1.0`."""


def check_schema(content: Any, number: int, where: str, error: type[UserError]) -> None:
    """Check the version of a file's format before any other key; keys differ between versions.

    A version that is missing or no whole number is left to the check of all keys.

    Args:
        content: the content of the file.
        number: the version that is read.
        where: the file and the line of its version, for messages.
        error: the class of the error to raise.

    Raises:
        UserError: of the class `error`, for another version.
    """
    version = content.get("schema") if isinstance(content, dict) else None
    if type(version) is int and version != number:
        raise error(
            where=f"{where}: schema",
            got=str(version),
            allowed=str(number),
            hint="Use the version of quba-check that the file was written for.",
        )


def _words(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return one_line(value.strip())
    raise InvalidValueError(got=describe(value), allowed="text that is not empty")


def _title(value: Any) -> str:
    title = _words(value)
    if len(title) > LONGEST_TITLE:
        raise InvalidValueError(got=f"{len(title)} characters", allowed=f"at most {LONGEST_TITLE}")
    return title


LONGEST_TITLE = 80
Words = Annotated[str, BeforeValidator(_words)]
"""Text in one line, made printable."""
Title = Annotated[str, BeforeValidator(_title)]
"""The same, of at most 80 characters."""


class Strict(BaseModel):
    """Base of models for YAML files: frozen, without unknown keys or conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def validate(document: Document, model: type[Model]) -> Model:
    """Return a document as an instance of a pydantic model.

    A list is accepted for a tuple and a whole number for a float; nothing else is converted.

    Args:
        document: the result of `read_yaml`.
        model: the model, usually derived from `Strict`. Its validators raise `InvalidValueError`, which then
            gets the line of the value.

    Raises:
        UserError: of the document's class, for the first error in the file.
    """
    try:
        return typed(document.data, model)
    except ValidationError as problem:
        raise next(iter(_errors(document, model, problem).values())) from None


def schema_errors(document: Document, model: type[BaseModel]) -> dict[Location, UserError]:
    """Return the location and error of each wrong value, in the order of lines.

    The first one is that of `validate`; without any, it raises no error.
    """
    try:
        typed(document.data, model)
    except ValidationError as problem:
        return _errors(document, model, problem)
    return {}


def typed(data: dict[str, Any], model: type[Model]) -> Model:
    """Return the content of a document as an instance of a pydantic model.

    Raises:
        ValidationError: the model does not allow it.
    """
    # Through JSON, because pydantic's strict mode accepts a list for a tuple only there.
    return model.model_validate_json(json.dumps(data), strict=True)


def _errors(
    document: Document, model: type[BaseModel], problem: ValidationError
) -> dict[Location, UserError]:
    errors = [_SchemaError(document, model, error) for error in problem.errors(include_url=False)]
    # A list without valid entries is too short, too.
    errors = [error for error in errors if error.type != "too_short" or not error.value]
    misspelt = {error.location[:-1] for error in errors if error.type == "extra_forbidden"}
    # A key that is missing next to an unknown key is most likely that key, misspelt.
    errors = [error for error in errors if error.type != "missing" or error.location not in misspelt]
    by_location: dict[Location, list[_SchemaError]] = {}
    for error in sorted(errors, key=lambda error: error.line):
        by_location.setdefault(error.location, []).append(error)
    return {location: _error(document, same) for location, same in by_location.items()}


class _SchemaError:
    """One of pydantic's errors, with its place in the document."""

    def __init__(self, document: Document, model: type[BaseModel], error: Any) -> None:
        self.type = error["type"]
        self.error = error
        self.location, self.value = locate(document.data, error["loc"])
        self.missing_key = str(error["loc"][-1]) if error["loc"] else ""
        if self.type.startswith("union_tag_"):
            self._locate_tag(model, document, error["ctx"]["discriminator"].strip("'"))
        self.path = dotted_path(self.location)
        self.line, self.known_keys, self.owners = document.line(self.location), list[str](), ""
        if self.type == "extra_forbidden":
            keys = _Keys(model, document.data, self.location[:-1])
            self.line, self.known_keys = document.key_line(self.location), keys.known
            self.owners = keys.owners(str(self.location[-1]))

    def _locate_tag(self, model: type[BaseModel], document: Document, tag: str) -> None:
        """Locate a wrong, missing or misspelt discriminator key."""
        if self.type == "union_tag_invalid":
            self.location, self.value = (*self.location, tag), self.value[tag]
            return
        self.type = "missing"
        self.missing_key = tag
        known = _Keys(model, document.data, self.location).known
        for key in self.value:
            if key not in known and did_you_mean(key, known) == did_you_mean(tag, [tag]):
                self.type, self.location = "extra_forbidden", (*self.location, key)
                return

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        context = self.error.get("ctx", {})
        if self.type == "literal_error":
            return str(context["expected"]).replace("'", "").replace(" or ", ", ")
        if self.type == "union_tag_invalid":
            return str(context["expected_tags"]).replace("'", "")
        if self.type in _ALLOWED:
            return _ALLOWED[self.type].format_map(context)
        return str(self.error["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")


def _error(document: Document, same: list[_SchemaError]) -> UserError:
    """Return the error about one value."""
    first = same[0]
    is_unknown = first.type == "extra_forbidden"
    path = dotted_path(first.location[:-1]) if is_unknown else first.path
    place = ": ".join(filter(None, (f"{document.label}:{first.line}", path)))
    error = partial(document.error, where=place)
    if is_unknown:
        key = str(first.location[-1])
        problem = f"'{key}' {first.owners}" if first.owners else f"unknown key '{key}'"
        hint = "" if first.owners else did_you_mean(key, first.known_keys)
        return error(problem, allowed=listed(first.known_keys), hint=hint)
    if first.type == "missing":
        return error(f"the key '{first.missing_key}' is missing.")
    if first.type == "value_error":
        cause = first.error["ctx"]["error"]
        pieces = cause.pieces if isinstance(cause, InvalidValueError) else {"problem": str(cause)}
        where = ": ".join(filter(None, (place, pieces.pop("where", ""))))
        return document.error(where=where, **pieces)
    allowed = " or ".join(dict.fromkeys(mismatch.allowed for mismatch in same))
    hint = did_you_mean(first.value, allowed.split(", ")) if isinstance(first.value, str) else ""
    return error(got=describe(first.value), allowed=allowed, hint=hint)


def locate(data: Any, steps: Location) -> tuple[Location, Any]:
    """Return a pydantic location without its names of union members, and the value there.

    Args:
        data: the content of a document.
        steps: the location of an error of pydantic.
    """
    location: Location = ()
    for step in steps:
        items = dict(enumerate(data)) if isinstance(data, list) else data
        if isinstance(items, dict) and step in items:
            data = items[step]
            location = (*location, step)
    return location, data


class _Keys:
    """The keys that a JSON Schema has for the mapping at a location."""

    def __init__(self, model: type[BaseModel], data: Any, location: Location) -> None:
        schema = model.model_json_schema()
        self._definitions = schema.get("$defs", {})
        schemas = [schema]
        for step in location:
            possible, _ = self._possible(schemas, data)
            schemas = [
                inner for alternative in possible if isinstance(inner := _inner(alternative, step), dict)
            ]
            data = data[step]
        self._data = data
        possible, self._others = self._possible(schemas, data)
        self.known = list(
            dict.fromkeys(key for alternative in possible for key in alternative.get("properties", ()))
        )

    def owners(self, key: str) -> str:
        """Return the other alternatives with a key, as text; empty if none has it."""
        tags = [_tags(other) for other in self._others if key in other["properties"]]
        if not tags:
            return ""
        name = next(iter(tags[0]))
        owners = " or ".join(str(value) for tag in tags for value in tag[name])
        return f"belongs to {name}: {owners}, got {name}: {self._data[name]}"

    def _possible(self, schemas: list[_Schema], data: Any) -> tuple[list[_Schema], list[_Schema]]:
        """Return the possible schemas of a value, and those ruled out by its keys."""
        members = [member for schema in schemas for member in self._members(schema)]
        others = [
            member
            for member in members
            if isinstance(data, dict)
            and any(name in data and data[name] not in words for name, words in _tags(member).items())
        ]
        possible = [member for member in members if member not in others]
        return (possible, others) if possible else (members, [])

    def _members(self, schema: _Schema) -> Iterator[_Schema]:
        """Yield the alternatives of a schema, or itself."""
        alternatives = next((schema[name] for name in ("anyOf", "oneOf", "allOf") if name in schema), None)
        if "$ref" in schema:
            alternatives = [self._definitions[schema["$ref"].rpartition("/")[2]]]
        if alternatives is None:
            yield schema
        for alternative in alternatives or ():
            yield from self._members(alternative)


def _tags(schema: _Schema) -> dict[str, list[Any]]:
    """Return the allowed words of each key that has a fixed set of them."""
    words = {
        name: property_schema.get("enum", [property_schema.get("const")])
        for name, property_schema in schema.get("properties", {}).items()
    }
    return {name: allowed for name, allowed in words.items() if allowed != [None]}


def _inner(schema: _Schema, step: str | int) -> object:
    """Return the schema under a key or position; anything else if there is none."""
    if isinstance(step, int):
        return schema.get("items")
    return schema.get("properties", {}).get(step) or schema.get("additionalProperties")
