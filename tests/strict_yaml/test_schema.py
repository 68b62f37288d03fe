from typing import Literal

import pytest
from pydantic import Field, field_validator

from quba_check.errors import SuiteError
from quba_check.strict_yaml import Strict, read_yaml, validated


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
        return validated(read_yaml(path, "book.yaml", SuiteError), Book)

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
