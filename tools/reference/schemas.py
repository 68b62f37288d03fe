"""Sections of pages on file formats, from their JSON Schemas."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel

from tools.reference.markdown import anchor, code, codes

Schema = Mapping[str, Any]
ATTRIBUTES = re.compile(r"\n\s*Attributes:\n(?P<lines>.*)", re.DOTALL)
ATTRIBUTE = re.compile(r"^(?P<indent> *)(?P<name>\w+): ")
FIELDS = {"schema": "schema_version"}
"""Names in Python of keys that differ."""
FEWEST_SHARED = 3
"""Rows that two objects have in common from which on the second refers to the first."""
DIMENSIONS = "dimensions"
"""The object whose keys, the dimensions, are described on a page of their own."""
Row = tuple[str, str, str]
"""Key, allowed values and meaning."""
SCALARS = {"string": "text", "number": "number", "integer": "integer", "boolean": "boolean"}


def format_sections(
    title: str, schema: Schema, introduction: str, headings: Mapping[str, str]
) -> Iterator[str]:
    """Yield the sections of one format: its own keys first, then each object.

    Args:
        title: heading of the format's own keys.
        schema: JSON Schema of the format.
        introduction: text above these keys.
        headings: headings by name of an object in the schema; by default the path of its first place.
    """
    yield from _Walk(schema, headings).sections(title, introduction)


@dataclass
class _Walk:
    """The objects of a schema, each described once, at the first place where it occurs.

    Attributes:
        schema: the whole schema.
        headings: given headings by name of an object.
        places: heading of each described object, by its name in the schema.
        tables: rows of each described object, by its heading.
        sets: the first set that takes certain readers, by their links.
        explained: headings of objects that the row of a key describes.
        queue: objects to describe: heading and schema.
    """

    schema: Schema
    headings: Mapping[str, str]
    places: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    explained: set[str] = field(default_factory=set)
    queue: list[tuple[str, Schema]] = field(default_factory=list)

    def sections(self, title: str, introduction: str) -> Iterator[str]:
        """Yield a section for each object, the outermost first."""
        yield f"## {title}"
        yield introduction
        yield self._keys("", self.schema)
        while self.queue:
            heading, schema = self.queue.pop(0)
            yield f"### {heading}"
            description = _description(schema)[0]
            if heading not in self.explained or "\n" in description:
                yield description
            yield self._keys(heading, schema)

    def _keys(self, path: str, schema: Schema) -> str:
        attributes = _description(schema)[1]
        attributes = {**_inherited(schema.get("title", "")), **attributes}
        required = set(schema.get("required", ()))
        rows: list[Row] = []
        for name, value in schema.get("properties", {}).items():
            if name == "reader" and _reader(schema):  # the heading
                continue
            own_text = (
                attributes.get(FIELDS.get(name, name)) or _description(value)[0] or self._summary(value)
            )
            if path == DIMENSIONS:
                own_text = ""
            known = len(self.queue)
            kind = self._kind(value, f"{path}.{name}" if path else name)
            if own_text and len(self.queue) == known + 1:
                self.explained.add(self.queue[-1][0])
            rows.append((code(name), kind + _default(value, is_required=name in required), own_text))
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            rows.append(("any name", self._kind(extra, f"{path}.NAME"), ""))
        return self._rows(path, rows)

    def _rows(self, heading: str, rows: list[Row]) -> str:
        """Return the rows of an object without those that an earlier object has, to which it refers."""
        shared = {
            other: [row for row in rows if row in table_rows]
            for other, table_rows in self.tables.items()
            if other
        }
        other = max(shared, key=lambda name: len(shared[name]), default="")
        self.tables[heading] = rows
        if not other or len(shared[other]) < FEWEST_SHARED:
            return _list(rows)
        keys = ", ".join(row[0] for row in shared[other])
        rest = [row for row in rows if row not in shared[other]]
        return f"As in [{other}](#{anchor(other)}): {keys}.\n\n{_list(rest)}".strip()

    def _summary(self, schema: Schema) -> str:
        """Return the first paragraph of the object that a key holds; empty for several."""
        options = [option for option in schema.get("anyOf", (schema,)) if "$ref" in option]
        if len(options) != 1:
            return ""
        target = self.schema["$defs"][options[0]["$ref"].rpartition("/")[2]]
        return _description(target)[0].partition("\n\n")[0]

    def _kind(self, schema: Schema, path: str) -> str:
        """Return the allowed values in words; objects are queued for sections of their own."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            target = self.schema["$defs"][name]
            return self._object(name, target, path) if _is_object(target) else self._kind(target, path)
        options = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        if options:
            kinds = [self._kind(option, path) for option in options if option.get("type") != "null"]
            if any("(#reader-" in kind for kind in kinds):
                return self._readers(path, ", ".join(kinds))
            return " or ".join(dict.fromkeys(kinds))
        if "enum" in schema:
            return codes(str(value) for value in schema["enum"])
        if "const" in schema:
            value = schema["const"]
            return code(str(value).lower() if isinstance(value, bool) else str(value))
        if schema.get("type") == "array":
            return self._array(schema, path)
        if schema.get("type") == "object":
            return self._mapping(schema, path)
        return SCALARS.get(str(schema.get("type")), "any value") + _range(schema)

    def _readers(self, path: str, kinds: str) -> str:
        """Return the readers of a set, or the first set that has the same ones."""
        first = self.sets.setdefault(kinds, path.rpartition(".")[2])
        return kinds if path.endswith(f".{first}") else f"as {code(first)}"

    def _array(self, schema: Schema, path: str) -> str:
        if "items" in schema:
            return f"list of {self._kind(schema['items'], path)}"
        kinds = [self._kind(item, path) for item in schema.get("prefixItems", ())]
        return f"list of {len(kinds)}: {', '.join(kinds if len({*kinds}) > 1 else kinds[:1])}"

    def _mapping(self, schema: Schema, path: str) -> str:
        if schema.get("properties"):
            return self._object(path, schema, path)
        values = schema.get("additionalProperties")
        if not isinstance(values, dict):
            return "any keys"
        return f"by name: {self._kind(values, f'{path}.NAME')}"

    def _object(self, name: str, schema: Schema, path: str) -> str:
        reader = _reader(schema)
        if name not in self.places:
            self.places[name] = self.headings.get(name) or (f"Reader {reader}" if reader else path)
            self.queue.append((self.places[name], schema))
        heading = self.places[name]
        return f"[{reader or heading}](#{anchor(heading)})"


def _list(rows: Iterable[Row]) -> str:
    """Return a line for each row; keys that are described alike share one."""
    keys: dict[tuple[str, str], list[str]] = {}
    for key, kind, meaning in rows:
        keys.setdefault((kind, meaning), []).append(key)
    return "\n".join(
        f"- {', '.join(names)}: {kind}" + (f". {meaning}" if meaning else "")
        for (kind, meaning), names in keys.items()
    )


def _is_object(schema: Schema) -> bool:
    return schema.get("type") == "object" and bool(
        schema.get("properties") or isinstance(schema.get("additionalProperties"), dict)
    )


def _reader(schema: Schema) -> str:
    """Return the reader of a set's entry; empty for other objects."""
    return str(schema.get("properties", {}).get("reader", {}).get("const", ""))


@cache
def _models() -> Mapping[str, type[BaseModel]]:
    """Return all loaded models of quba-check by name."""
    models: dict[str, type[BaseModel]] = {}
    queue = [BaseModel]
    while queue:
        found = queue.pop().__subclasses__()
        queue += found
        models |= {model.__name__: model for model in found if model.__module__.startswith("quba_check.")}
    return models


def _inherited(name: str) -> dict[str, str]:
    """Return the descriptions of keys that a model inherits from its bases."""
    model = _models().get(name)
    bases = [] if model is None else list(model.__mro__[1:])
    attributes: dict[str, str] = {}
    for base in reversed(bases):
        attributes |= _description({"description": inspect.cleandoc(vars(base).get("__doc__") or "")})[1]
    return attributes


def _description(schema: Schema) -> tuple[str, dict[str, str]]:
    """Return the description of an object or key, and the descriptions of its keys."""
    text = schema.get("description", "")
    match = ATTRIBUTES.search(text)
    if not match:
        return _paragraphs(text), {}
    attributes: dict[str, str] = {}
    last = ""
    for line in match["lines"].splitlines():
        start = ATTRIBUTE.match(line)
        if start:
            last = start["name"]
            attributes[last] = line[start.end() :].strip()
        elif last and line.strip():
            attributes[last] += f" {line.strip()}"
    return _paragraphs(text[: match.start()]), {name: _sentence(text) for name, text in attributes.items()}


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _sentence(text: str) -> str:
    return (text[:1].upper() + text[1:]).replace("None", "`null`")


def _default(schema: Schema, *, is_required: bool) -> str:
    if is_required:
        return "; required"
    value = schema.get("default")
    if value in (None, [], "") or isinstance(value, dict):
        return ""
    return f"; default {code(str(value).lower() if isinstance(value, bool) else str(value))}"


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    return f" from {low:g}" if low is not None else f" to {high:g}" if high is not None else ""
