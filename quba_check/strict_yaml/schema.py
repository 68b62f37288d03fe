"""Documents against pydantic models, with messages that a person can act on."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from quba_check.errors import did_you_mean, listed
from quba_check.strict_yaml.document import Document, Location, describe, dotted_path

Model = TypeVar("Model", bound=BaseModel)

_ALLOWED = {
    "bool_type": "true or false",
    "dict_type": "keys with values",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "model_attributes_type": "keys with values",
    "model_type": "keys with values",
    "none_required": "nothing",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What pydantic's types of error mean to someone who writes YAML."""


def _check_whole(value: Any) -> Any:
    """Refuse `true` and `1.0`: they equal 1 in Python."""
    if type(value) is not int:
        raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": "1"})
    return value


SchemaVersion = Annotated[Literal[1], BeforeValidator(_check_whole)]
"""Version of a file format: the integer 1, not `true` or `1.0`."""


class Strict(BaseModel):
    """Base of models for YAML files: unknown keys are errors, nothing is converted, instances are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def validate(document: Document, model: type[Model]) -> Model:
    """The document as an instance of a pydantic model.

    A list is accepted for a tuple and a whole number for a float; nothing else is converted.

    Args:
        document: what `read_yaml` gave.
        model: the model, best derived from `Strict`. A validator of its own raises `ValueError` with the text
            of the message; it is placed at the line of the value.

    Raises:
        UserError: of the document's class, for the mistake that comes first in the file.
    """
    try:
        # By way of JSON, where pydantic's strict mode takes a list for a tuple.
        return model.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as problem:
        mistakes = [_Mistake(document, model, error) for error in problem.errors(include_url=False)]
    misspelt = {mistake.location[:-1] for mistake in mistakes if mistake.type == "extra_forbidden"}
    # Beside an unknown key, a missing one is most likely the same key.
    mistakes = [
        mistake for mistake in mistakes if mistake.type != "missing" or mistake.location not in misspelt
    ]
    first = min(mistakes, key=lambda mistake: mistake.line)
    same = [mistake for mistake in mistakes if mistake.location == first.location]
    raise document.error(f"{document.shown}:{first.line}: {_message(same)}")


class _Mistake:
    """One of pydantic's errors, placed in the document."""

    def __init__(self, document: Document, model: type[BaseModel], error: ErrorDetails) -> None:
        self.type = error["type"]
        self.error = error
        self.location, self.value = _found(document.data, error["loc"])
        self.missing_key = str(error["loc"][-1]) if error["loc"] else ""
        if self.type.startswith("union_tag_"):
            self._take_tag(model, document, error["ctx"]["discriminator"].strip("'"))
        self.path = dotted_path(self.location)
        is_about_key = self.type == "extra_forbidden"
        self.line = document.key_line(self.location) if is_about_key else document.line(self.location)
        keys = _Keys(model, document.data, self.location[:-1]) if is_about_key else None
        self.known_keys = keys.known if keys else []
        self.owners = keys.owners(str(self.location[-1])) if keys else ""

    def _take_tag(self, model: type[BaseModel], document: Document, tag: str) -> None:
        """The key that tells alternatives apart is wrong or not there, perhaps since it is misspelt."""
        if self.type == "union_tag_invalid":
            self.location, self.value = (*self.location, tag), self.value[tag]
            return
        self.type, self.missing_key = "missing", tag
        known = _Keys(model, document.data, self.location).known
        for key in self.value:
            if key not in known and did_you_mean(key, known) == did_you_mean(tag, [tag]):
                self.type, self.location = "extra_forbidden", (*self.location, key)
                return

    @property
    def allowed(self) -> str:
        """What may stand here instead, in words."""
        context = self.error.get("ctx", {})
        if self.type == "literal_error":
            return str(context["expected"]).replace("'", "").replace(" or ", ", ")
        if self.type == "union_tag_invalid":
            return str(context["expected_tags"]).replace("'", "")
        if self.type in _ALLOWED:
            return _ALLOWED[self.type].format_map(context)
        return self.error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")


def _message(same: list[_Mistake]) -> str:
    """One line about the mistakes at one place: several where a value may be of several types."""
    first = same[0]
    if first.type == "extra_forbidden":
        key = str(first.location[-1])
        inside = f"{dotted_path(first.location[:-1])}: " if len(first.location) > 1 else ""
        if first.owners:
            return f"{inside}'{key}' {first.owners}. Allowed: {listed(first.known_keys)}."
        near = did_you_mean(key, first.known_keys)
        return f"{inside}unknown key '{key}'.{near} Allowed: {listed(first.known_keys)}."
    prefix = f"{first.path}: " if first.path else ""
    if first.type == "missing":
        return f"{prefix}the key '{first.missing_key}' is missing."
    if first.type == "value_error":
        return prefix + str(first.error["ctx"]["error"])
    allowed = " or ".join(dict.fromkeys(mistake.allowed for mistake in same))
    near = did_you_mean(first.value, allowed.split(", ")) if isinstance(first.value, str) else ""
    return f"{prefix}got {describe(first.value)}. Allowed: {allowed}.{near}"


def _found(data: Any, steps: Location) -> tuple[Location, Any]:
    """The steps of pydantic's location that are in the data (it also names union members), and the value."""
    location: Location = ()
    for step in steps:
        inside = dict(enumerate(data)) if isinstance(data, list) else data
        if isinstance(inside, dict) and step in inside:
            data = inside[step]
            location = (*location, step)
    return location, data


class _Keys:
    """The keys that a model knows for the mapping at a location of the data."""

    def __init__(self, model: Any, data: Any, location: Location) -> None:
        annotations = [model]
        for step in location:
            meant, _ = _meant(annotations, data)
            annotations = [inner for annotation in meant for inner in _step(annotation, step)]
            data = data[step]
        self._data = data
        self._meant, self._others = _meant(annotations, data)
        self.known = list(dict.fromkeys(key for one in self._meant for key in _own_keys(one)))

    def owners(self, key: str) -> str:
        """Which alternatives know a key that those meant do not; empty where none does."""
        tags = [_tags(one) for one in self._others if key in _own_keys(one)]
        if not tags:
            return ""
        name = next(iter(tags[0]))
        owners = " or ".join(str(value) for tag in tags for value in tag[name])
        return f"belongs to {name}: {owners}, got {name}: {self._data[name]}"


def _meant(annotations: list[Any], data: Any) -> tuple[list[Any], list[Any]]:
    """The models and types that a value may be of, and the models that a key of it rules out."""
    members = [member for annotation in annotations for member in _members(annotation)]
    others = [
        member
        for member in members
        if isinstance(data, dict)
        and any(name in data and data[name] not in allowed for name, allowed in _tags(member).items())
    ]
    meant = [member for member in members if member not in others]
    return (meant, others) if meant else (members, [])


def _tags(annotation: Any) -> dict[str, tuple[Any, ...]]:
    """The keys of a model that are one of a few words."""
    return {
        field.alias or name: get_args(field.annotation)
        for name, field in _fields(annotation)
        if get_origin(field.annotation) is Literal
    }


def _own_keys(annotation: Any) -> list[str]:
    return [field.alias or name for name, field in _fields(annotation)]


def _fields(annotation: Any) -> Iterable[tuple[str, FieldInfo]]:
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation.model_fields.items() if is_model else ()


def _step(annotation: Any, step: str | int) -> Iterator[Any]:
    """The types that a value may have under `step` of a value of the annotated type."""
    origin = get_origin(annotation)
    own = [field.annotation for name, field in _fields(annotation) if step == (field.alias or name)]
    yield from own
    if not own and _fields(annotation) and annotation.model_config.get("extra") == "allow":
        yield get_args(get_type_hints(annotation)["__pydantic_extra__"])[1]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        yield get_args(annotation)[1]
    elif origin in (list, tuple):
        yield get_args(annotation)[0]


def _members(annotation: Any) -> Iterator[Any]:
    """The alternatives of a union, or the type itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    elif get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    else:
        yield annotation
