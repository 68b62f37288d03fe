from typing import Annotated, Literal

import pytest
from pydantic import Field, field_validator
from support.suites import error_text, error_texts

from quba_check.errors import SuiteError
from quba_check.strict_yaml import Strict, read_yaml, validate
from quba_check.strict_yaml.schema import SchemaVersion


class Entry(Strict):
    path: str
    reader: Literal["folder", "csv"] = "folder"
    prepared: bool = False
    expected: int | None = Field(default=None, ge=1)


class Book(Strict):
    schema_version: SchemaVersion = Field(alias="schema")
    classes: tuple[str, ...] | Literal["imagenet"] = "imagenet"
    ratio: float | None = None
    sets: dict[str, Entry] = Field(default_factory=dict)
    shelves: tuple[Entry, ...] = Field(default=(), min_length=1)

    @field_validator("ratio")
    @classmethod
    def is_positive(cls, ratio):
        if ratio is not None and ratio < 0:
            raise ValueError(f"got {ratio}. Allowed: at least 0.")
        return ratio


@pytest.fixture
def load(tmp_path):
    def load(text, model=Book):
        path = tmp_path / "book.yaml"
        path.write_text(text)
        return validate(read_yaml(path, "book.yaml", SuiteError), model)

    return load


def test_a_valid_document(load):
    book = load("schema: 1\nclasses: [a, b]\nratio: 1\nsets: {clean: {path: x, expected: 3}}\n")
    assert book == Book(schema=1, classes=("a", "b"), ratio=1.0, sets={"clean": Entry(path="x", expected=3)})


MISTAKES = [
    "schema: 1\nclases: [a]",
    "schema: 1\nsets:\n  clean:\n    path: x\n    raeder: csv",
    "schema: 1\nshelves:\n  - path: x\n    q: 1",
    "sets: {}",
    "schema: 1\nsets:\n  clean: {reader: csv, pth: x}",
    "schema: 1\nsets:\n  clean: {reader: csv}",
    "schema: 1\nratio: abc",
    "schema: 1\nratio: '1'",
    "schema: 1\nratio: true",
    "schema: 1\nratio: -1",
    "schema: 1\nsets: [1]",
    "schema: 1\nsets:\n  clean: 3",
    "schema: 1\nsets:\n  clean:",
    "schema: 1\nsets: {clean: {path: x, prepared: yes}}",
    "schema: 1\nsets: {clean: {path: x, expected: 1.5}}",
    "schema: 1\nsets: {clean: {path: x, expected: 0}}",
    "schema: 1\nsets: {clean: {path: 3}}",
    "schema: 1\nsets: {clean: {path: x, reader: folders}}",
    "schema: 1\nclasses: 3",
    "schema: 1\nclasses: [a, 3]",
    "schema: 1\nshelves: []",
    "schema: 2",
    "schema: 1.0",
    "schema: true",
    "schema: 1\nzzz: 1\nratio: abc",
    "schema: 1\nratio: abc\nzzz: 1",
]


def test_the_first_error_in_the_file_is_reported(load, snapshot):
    assert error_texts(load, MISTAKES) == snapshot
    assert (
        error_text(load, "schema: 1\nratio: abc") == "book.yaml:2: ratio: got text 'abc'. Allowed: a number."
    )


class Novel(Strict):
    kind: Literal["novel"]
    pages: int


class Atlas(Strict):
    kind: Literal["atlas"]
    scale: float
    maps: int | None = None


class Shelf(Strict):
    books: dict[str, Annotated[Novel | Atlas, Field(discriminator="kind")]]


def test_errors_are_about_the_chosen_alternative(load, snapshot):
    books = [
        "{a: {kind: novell, pages: 3}}",
        "{a: {kind: [novel], pages: 3}}",
        "{a: {pages: 3}}",
        "{a: {kidn: novel, pages: 3}}",
        "{a: {kind: novel}}",
        "{a: {kind: novel, pages: 3, maps: 2}}",
        "{a: {kind: atlas, scale: 3, mpas: 2}}",
        "{a: {kind: novel, pages: few}}",
        "{a: novel}",
    ]
    assert error_texts(lambda text: load(f"books: {text}", Shelf), books) == snapshot
