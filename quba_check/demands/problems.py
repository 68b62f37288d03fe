"""The errors of threshold files, collected instead of raised at the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from quba_check.demands.schema import ThresholdFile
from quba_check.errors import ThresholdError
from quba_check.strict_yaml import Document, Location, schema_problems

BY_NAME = ("dimensions", "classes", "serving")
"""Sections whose entries are independent of each other."""


@dataclass(slots=True)
class Problems:
    """The errors of a threshold file and its extended files."""

    errors: list[ThresholdError] = field(default_factory=list)
    _wrong: set[Location] = field(default_factory=set)

    @contextmanager
    def caught(self, *location: str | int) -> Iterator[None]:
        """Collect an error about the value at a location."""
        try:
            yield
        except ThresholdError as error:
            self.errors.append(error)
            self._wrong.add(location[: 2 if {*location[:1]} & {*BY_NAME} else 1])

    def well_formed(self, document: Document) -> Document:
        """Collect the wrong keys and types of a document; return it without wrong entries."""
        for location, message in schema_problems(document, ThresholdFile).items():
            with self.caught(*location):
                raise ThresholdError(message)
        return replace(document, data=self.without_wrong(document.data))

    def without_wrong(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return the content of a file, or of merged ones, without wrong entries."""
        kept = {key: value for key, value in content.items() if (key,) not in self._wrong}
        for key in BY_NAME:
            if isinstance(entries := kept.get(key), dict):
                kept[key] = {name: entry for name, entry in entries.items() if (key, name) not in self._wrong}
        return kept

    def raise_first(self) -> None:
        """Raise the first error, if any; it carries the messages of all."""
        if self.errors:
            self.errors[0].messages = list(dict.fromkeys(map(str, self.errors)))
            raise self.errors[0]
