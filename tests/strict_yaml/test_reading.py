import os

import pytest

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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: the file is empty. Allowed: keys with values."),
        ("# nothing\n", "1: the file is empty. Allowed: keys with values."),
        ("\n- 1\n", "2: got a list. Allowed: keys with values."),
        ("abc\n", "1: got text 'abc'. Allowed: keys with values."),
        ("a: 1\nb: c: d\n", "2: this is not YAML: mapping values are not allowed here."),
        ("a: [1\n", "2: this is not YAML: expected ',' or ']', but got '<stream end>'."),
        ("a: 1\n---\nb: 2\n", "2: this is not YAML: but found another document."),
        ("a: *x\n", "1: this is not YAML: found undefined alias 'x'."),
        ("a: 1\nb: 2\na: 3\n", "3: duplicate key 'a', already in line 1."),
        ("a: {b: 1, b: 2}\n", "1: duplicate key 'b', already in line 1."),
        ("1: a\n", "1: the key 1 is not text. Allowed: text, in quotes if it is a number."),
        ("? [1]\n: a\n", "1: a key is not text. Allowed: text, in quotes if it is a number."),
        ("a: 1\nb: !!set {c}\n", "2: got the tag !!set. Allowed: plain YAML without tags."),
        (
            "a: !!python/object/apply:os.abort []\n",
            "1: got the tag !!python/object/apply:os.abort. Allowed: plain YAML without tags.",
        ),
        (
            "a: !!int x\n",
            "1: the file has a value that cannot be read: invalid literal for int() with base 10: 'x'.",
        ),
        ("a:\n  - 1\n  - .nan\n", "3: a[1]: got nan. Allowed: a finite number."),
        ("a: {b: -.inf}\n", "1: a.b: got -inf. Allowed: a finite number."),
        ("a: 1e999\n", "1: a: got inf. Allowed: a finite number."),
        ("a: 1" + "0" * 400, "1: a: got a number too large to hold. Allowed: a finite number."),
        ("a: &x [1, *x]\n", "1: the alias contains itself."),
        ("a: 1\nb: \x07\n", "2: the file has a character that YAML does not allow."),
        (b"a: 1\nb: caf\xe9\n", "2: the file is not UTF-8 text, got the byte 0xe9."),
        ("#" * (2**20 + 1), " the file is too large. Allowed: at most 1 MiB."),
        ("a: " + "[" * 1000, "1: the file is nested too deeply to be read."),
        ("a: " + "[" * 50 + "]" * 50, "1: the file is nested too deeply to be read."),
        ("a: 1" + "0" * 5000, "1: a: got a number too large to hold. Allowed: a finite number."),
        ('a: 1\n"b\\0": 2', "2: the text has the character U+0000. Allowed: text."),
        ('a: "\\ud800"', "1: the text has the character U+D800. Allowed: text."),
    ],
)
def test_errors(read, text, message):
    with pytest.raises(ThresholdError) as caught:
        read(text)
    assert str(caught.value) == f"conf/gate.yaml:{message}"


def test_aliases_that_stand_for_billions_of_values(read):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    with pytest.raises(ThresholdError) as caught:
        read("\n".join(lines))
    assert str(caught.value) == "conf/gate.yaml:1: the file has too many values. Allowed: 200,000."


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
    with pytest.raises(SuiteError) as caught:
        read_yaml(tmp_path / name, "conf", SuiteError)
    assert str(caught.value) == f"conf: {message}"


def test_lines_of_long_lists_are_indexed(read):
    document = read("a: [" + ",\n".join(["x"] * 2000) + "]")
    assert [document.line(("a", number)) for number in (0, 1000, 1999)] == [1, 1001, 2000]
