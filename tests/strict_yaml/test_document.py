import os

import pytest
from support.suites import error_text, error_texts

from quba_check.errors import SuiteError, ThresholdError
from quba_check.strict_yaml import read_yaml


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "gate.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_yaml(path, "conf/gate.yaml", ThresholdError)

    return read


def test_plain_data_in_yaml_1_2(read):
    document = read(
        "small: 1e-3\nyes: no\ndate: 2024-01-01\noctal: 010\n'7': seven\nlist: [1, 2.5, true, null, ~]\n"
    )
    assert document.data == {
        "small": 0.001,
        "yes": "no",
        "date": "2024-01-01",
        "octal": 10,
        "7": "seven",
        "list": [1, 2.5, True, None, None],
    }
    kinds = {type(value) for value in [*document.data.values(), *document.data["list"]]}
    assert kinds == {float, str, int, list, bool, type(None)}


def test_a_byte_order_mark_is_no_content(read):
    assert read(b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


def test_merged_mappings(read):
    document = read("base: &base {x: 1, y: 2}\nother:\n  <<: *base\n  x: 3\n")
    assert document.data["other"] == {"x": 3, "y": 2}
    assert document.line(("other", "x")) == 4
    assert document.line(("other", "y")) == 1


def test_lines_of_values_and_keys(read):
    document = read("# note\na:\n  b: 1\n  c:\n    - 2\n    -\n      d: 3\ne:\nf: >-\n  text\n")
    assert document.line(()) == 2
    assert (document.key_line(("a",)), document.line(("a",))) == (2, 3)
    assert document.line(("a", "c", 0)) == 5
    assert document.line(("a", "c", 1, "d")) == 7
    assert document.line(("e",)) == 8, "a value left out stands where its key does"
    assert document.line(("a", "missing")) == document.line(("a",)), "the deepest part that is there"
    assert document.key_line(("f",)) == 9


def test_places_as_messages_begin(read):
    document = read("a: 1\nb:\n  c: 2\n")
    assert document.at(("b",)) == "conf/gate.yaml:3"
    assert document.at_key(("b",)) == "conf/gate.yaml:2"


MISTAKES = [
    "",
    "# nothing",
    "\n- 1",
    "abc",
    "a: 1\nb: c: d",
    "a: [1\n",
    "a: 1\n---\nb: 2",
    "a: *x",
    "a: 1\nb: 2\na: 3",
    "a: {b: 1, b: 2}",
    "1: a",
    "? [1]\n: a",
    "a: 1\nb: !!set {c}",
    "a: !!python/object/apply:os.abort []",
    "a: !!int x",
    "a:\n  - 1\n  - .nan",
    "a: {b: -.inf}",
    "a: 1e999",
    "a: &x [1, *x]",
    'a: 1\n"b\\0": 2',
    'a: "\\ud800"',
]


def test_messages_have_the_line_of_the_mistake(read, snapshot):
    assert error_texts(read, MISTAKES) == snapshot


BILLIONS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: \x07\n", "2: the file has a character that YAML does not allow."),
        (b"a: 1\nb: caf\xe9\n", "2: the file is not UTF-8 text, got the byte 0xe9."),
        ("#" * (2**20 + 1), " the file is too large. Allowed: at most 1 MiB."),
        ("a: " + "[" * 1000, "1: the file is nested too deeply to be read."),
        ("a: " + "[" * 50 + "]" * 50, "1: the file is nested too deeply to be read."),
        ("a: 1" + "0" * 400, "1: a: got a number too large to hold. Allowed: a finite number."),
        ("a: 1" + "0" * 5000, "1: a: got a number too large to hold. Allowed: a finite number."),
    ],
    ids=range(7),
)
def test_large_files_and_characters_that_cannot_be_shown(read, text, message):
    assert error_text(read, text) == f"conf/gate.yaml:{message}"


def test_values_that_aliases_multiply(read, monkeypatch):
    monkeypatch.setattr("quba_check.strict_yaml.document.MOST_VALUES", 2_000)
    message = "conf/gate.yaml:1: the file has too many values. Allowed: 2,000."
    assert error_text(read, BILLIONS) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.yaml", "there is no such file."),
        (".", "this is a folder, not a file."),
        ("file/x.yaml", "there is no such file."),
        ("pipe", "this is a pipe or a device, not a file."),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, message):
    (tmp_path / "file").write_text("a: 1")
    os.mkfifo(tmp_path / "pipe")
    assert error_text(read_yaml, tmp_path / name, "conf", SuiteError) == f"conf: {message}"


def test_lines_of_long_lists_are_indexed(read):
    document = read("a: [" + ",\n".join(["x"] * 2000) + "]")
    assert [document.line(("a", number)) for number in (0, 1000, 1999)] == [1, 1001, 2000]
