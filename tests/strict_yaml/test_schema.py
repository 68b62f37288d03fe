from typing import Annotated, Literal

import pytest
from pydantic import Field, field_validator

from quba_check.errors import SuiteError
from quba_check.strict_yaml import Strict, read_yaml, validate


class Entry(Strict):
    path: str
    reader: Literal["folder", "csv"] = "folder"
    prepared: bool = False
    expected: int | None = Field(default=None, ge=1)


class Book(Strict):
    schema_version: Literal[1] = Field(alias="schema")
    classes: tuple[str, ...] | Literal["imagenet"] = "imagenet"
    ratio: float | None = None
    sets: dict[str, Entry] = Field(default_factory=dict)
    shelves: tuple[Entry, ...] = ()

    @field_validator("ratio")
    @classmethod
    def is_positive(cls, ratio):
        if ratio is not None and ratio < 0:
            raise ValueError(f"got {ratio}. Allowed: at least 0.")
        return ratio


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "book.yaml"
        path.write_text(text)
        return validate(read_yaml(path, "book.yaml", SuiteError), Book)

    return load


def test_a_valid_document(load):
    book = load("schema: 1\nclasses: [a, b]\nratio: 1\nsets: {clean: {path: x, expected: 3}}\n")
    assert book == Book(schema=1, classes=("a", "b"), ratio=1.0, sets={"clean": Entry(path="x", expected=3)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "schema: 1\nclases: [a]\n",
            (
                "2: unknown key 'clases'. Did you mean 'classes'? "
                "Allowed: schema, classes, ratio, sets, shelves."
            ),
        ),
        (
            "schema: 1\nsets:\n  clean:\n    path: x\n    raeder: csv\n",
            (
                "5: sets.clean: unknown key 'raeder'. Did you mean 'reader'? "
                "Allowed: path, reader, prepared, expected."
            ),
        ),
        (
            "schema: 1\nshelves:\n  - path: x\n    q: 1\n",
            "4: shelves[0]: unknown key 'q'. Allowed: path, reader, prepared, expected.",
        ),
        ("sets: {}\n", "1: the key 'schema' is missing."),
        (
            "schema: 1\nsets:\n  clean: {reader: csv, pth: x}\n",
            (
                "3: sets.clean: unknown key 'pth'. Did you mean 'path'? "
                "Allowed: path, reader, prepared, expected."
            ),
        ),
        ("schema: 1\nsets:\n  clean: {reader: csv}\n", "3: sets.clean: the key 'path' is missing."),
        ("schema: 1\nratio: abc\n", "2: ratio: got text 'abc'. Allowed: a number."),
        ("schema: 1\nratio: '1'\n", "2: ratio: got text '1'. Allowed: a number."),
        ("schema: 1\nratio: true\n", "2: ratio: got true. Allowed: a number."),
        ("schema: 1\nratio: -1\n", "2: ratio: got -1.0. Allowed: at least 0."),
        ("schema: 1\nsets: [1]\n", "2: sets: got a list. Allowed: keys with values."),
        ("schema: 1\nsets:\n  clean: 3\n", "3: sets.clean: got 3. Allowed: keys with values."),
        ("schema: 1\nsets:\n  clean:\n", "3: sets.clean: got nothing. Allowed: keys with values."),
        (
            "schema: 1\nsets: {clean: {path: x, prepared: yes}}\n",
            "2: sets.clean.prepared: got text 'yes'. Allowed: true or false.",
        ),
        (
            "schema: 1\nsets: {clean: {path: x, expected: 1.5}}\n",
            "2: sets.clean.expected: got 1.5. Allowed: a whole number.",
        ),
        (
            "schema: 1\nsets: {clean: {path: x, expected: 0}}\n",
            "2: sets.clean.expected: got 0. Allowed: at least 1.",
        ),
        ("schema: 1\nsets: {clean: {path: 3}}\n", "2: sets.clean.path: got 3. Allowed: text."),
        (
            "schema: 1\nsets: {clean: {path: x, reader: folders}}\n",
            "2: sets.clean.reader: got text 'folders'. Allowed: folder, csv. Did you mean 'folder'?",
        ),
        ("schema: 1\nclasses: 3\n", "2: classes: got 3. Allowed: a list or imagenet."),
        ("schema: 1\nclasses: [a, 3]\n", "2: classes[1]: got 3. Allowed: text."),
        ("schema: 2\n", "1: schema: got 2. Allowed: 1."),
    ],
)
def test_mistakes(load, text, message):
    with pytest.raises(SuiteError) as caught:
        load(text)
    assert str(caught.value) == f"book.yaml:{message}"


def test_the_first_mistake_in_the_file_is_the_one_told(load):
    with pytest.raises(SuiteError) as caught:
        load("schema: 1\nzzz: 1\nratio: abc\n")
    assert str(caught.value).startswith("book.yaml:2:")
    with pytest.raises(SuiteError) as caught:
        load("schema: 1\nratio: abc\nzzz: 1\n")
    assert str(caught.value).startswith("book.yaml:2:")


class Novel(Strict):
    kind: Literal["novel"]
    pages: int


class Atlas(Strict):
    kind: Literal["atlas"]
    scale: float
    maps: int | None = None


class Shelf(Strict):
    books: dict[str, Annotated[Novel | Atlas, Field(discriminator="kind")]]


ALTERNATIVES = {
    "{a: {kind: novell, pages: 3}}": (
        "books.a.kind: got text 'novell'. Allowed: novel, atlas. Did you mean 'novel'?"
    ),
    "{a: {kind: [novel], pages: 3}}": "books.a.kind: got a list. Allowed: novel, atlas.",
    "{a: {pages: 3}}": "books.a: the key 'kind' is missing.",
    "{a: {kidn: novel, pages: 3}}": (
        "books.a: unknown key 'kidn'. Did you mean 'kind'? Allowed: kind, pages, scale, maps."
    ),
    "{a: {kind: novel}}": "books.a: the key 'pages' is missing.",
    "{a: {kind: novel, pages: 3, maps: 2}}": (
        "books.a: 'maps' belongs to kind: atlas, got kind: novel. Allowed: kind, pages."
    ),
    "{a: {kind: atlas, scale: 3, mpas: 2}}": (
        "books.a: unknown key 'mpas'. Did you mean 'maps'? Allowed: kind, scale, maps."
    ),
    "{a: {kind: novel, pages: few}}": "books.a.pages: got text 'few'. Allowed: a whole number.",
    "{a: novel}": "books.a: got text 'novel'. Allowed: keys with values.",
}


@pytest.mark.parametrize("books", ALTERNATIVES)
def test_of_several_forms_the_one_meant_is_answered(tmp_path, books):
    path = tmp_path / "shelf.yaml"
    path.write_text(f"books: {books}\n")
    with pytest.raises(SuiteError) as caught:
        validate(read_yaml(path, "shelf.yaml", SuiteError), Shelf)
    assert str(caught.value) == f"shelf.yaml:1: {ALTERNATIVES[books]}"
