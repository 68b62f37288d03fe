"""Sets added to a manifest: two lines more."""

import pytest
from support.suites import error_text

from quba_check.core.view import CLEAN
from quba_check.suites.manifest.reading import add_sets, manifest_line, read_manifest

SAME = {"reader": "folder", "path": "made/mixed_same", "expected": 9}
RAND = {"reader": "folder", "path": "made/mixed_rand", "expected": 9, "partial": True}
ENTRIES = {"mixed_same": SAME, "mixed_rand": RAND}
HEAD = "schema: 1\nname: x  # ours\nclasses: [a, b]\n\n"


def add(tmp_path, text, entries=ENTRIES):
    path = tmp_path / "quba-data.yaml"
    path.write_bytes(text.encode())
    add_sets(path, entries)
    assert [file.name for file in tmp_path.iterdir()] == ["quba-data.yaml"]
    sources = {name: one.source_of(CLEAN) for name, one in read_manifest(path, "m").sets.items()}
    for name, entry in entries.items():
        assert sources[name].path == entry["path"]
        assert sources[name].options["partial"] == entry.get("partial", False)
    return path.read_bytes().decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("sets:\n  clean: {reader: folder, path: v}  # the best\n", ""),
        ("sets:\n  clean: {reader: folder, path: v}\n\n", "# the end\nimage_size: 8\n"),
        ("sets:\n  clean:\n    reader: folder\n    path: v\n", "  # not yet: cue_conflict\nspaces: {}\n"),
        ("sets:\n  shifts:\n    night: {reader: folder, path: n}\n", "image_size: 8\n"),
    ],
    ids=["flow", "blank line", "block", "nested"],
)
def test_lines_follow_the_last_set(tmp_path, before, after):
    blank = before.endswith("\n\n")
    old = HEAD + before + after
    new = add(tmp_path, old)
    lines = "".join(f"  {manifest_line(name, entry)}\n" for name, entry in ENTRIES.items())
    assert new == HEAD + before.removesuffix("\n" if blank else "") + lines + ("\n" if blank else "") + after


def test_line_ends_and_indents_are_those_of_the_file(tmp_path):
    old = (HEAD + "sets:\n    clean: {reader: folder, path: v}").replace("\n", "\r\n")
    assert add(tmp_path, old, {"mixed_same": SAME}) == (
        old + "\r\n    mixed_same: {reader: folder, path: made/mixed_same, expected: 9}\r\n"
    )


def test_sets_in_braces(tmp_path):
    line = "mixed_same: {reader: folder, path: made/mixed_same, expected: 9}"
    sets = "sets: {clean: {reader: folder, path: v}"
    assert add(tmp_path, f"{HEAD}{sets}}}\n", {"mixed_same": SAME}) == f"{HEAD}{sets}, {line}}}\n"
    assert add(tmp_path, f"{HEAD}sets: {{}}\n", {"mixed_same": SAME}) == f"{HEAD}sets:\n  {line}\n"


def test_what_stands_there_already_is_not_added(tmp_path):
    old = HEAD + "sets:\n  mixed_same: {path: made/mixed_same, reader: folder, expected: 9}\n"
    once = add(tmp_path, old)
    assert once.count("mixed_same: ") == 1
    assert add(tmp_path, once) == once


@pytest.mark.parametrize(
    "path", ["my data/b", "a, b", "#x", "/abs/ü", "1", "-x", "true", "a: b", '"', "null"]
)
def test_every_path_is_read_back(tmp_path, path):
    add(
        tmp_path, HEAD + "sets:\n  clean: {reader: folder, path: v}\n", {"mixed_same": {**SAME, "path": path}}
    )


def test_messages(tmp_path):
    path = tmp_path / "quba-data.yaml"

    def message(text):
        path.write_text(text, encoding="utf-8")
        shown = error_text(add_sets, path, ENTRIES)
        assert path.read_text(encoding="utf-8") == text
        return shown

    assert message(HEAD + "sets:\n  mixed_same: {reader: folder, path: other}\n") == (
        f"{path}:6: the set 'mixed_same' is already declared. Allowed in its place: "
        "mixed_same: {reader: folder, path: made/mixed_same, expected: 9}"
    )
    assert message("schema: 1\n") == f"{path}:1: the key 'name' is missing."
