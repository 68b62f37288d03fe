"""Prompts in a manifest: what is read, and the exact text for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.core.prompts import Prompts
from quba_check.errors import SuiteError
from quba_check.suites.manifest.reading import read_manifest

HEAD = "schema: 1\nname: fruit\nclasses: [apple, pear, kiwi]\nsets: {}\n"


def read(tmp_path: Path, text: str) -> Prompts:
    path = tmp_path / "quba-data.yaml"
    path.write_text(text, encoding="utf-8")
    return read_manifest(path, "quba-data.yaml").prompts


def test_templates_and_names_are_read(tmp_path: Path) -> None:
    text = HEAD + "prompts: {templates: ['a photo of a {}.', '{}, ripe'], names: {kiwi: kiwi fruit}}\n"
    prompts = read(tmp_path, text)
    assert prompts == Prompts(("a photo of a {}.", "{}, ripe"), {"kiwi": "kiwi fruit"})
    assert prompts.texts("kiwi fruit") == ("a photo of a kiwi fruit.", "kiwi fruit, ripe")


def test_a_manifest_need_not_have_them(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD) == Prompts((), {})
    assert read(tmp_path, HEAD + "prompts: {}\n") == Prompts((), {})


def test_imagenet_classes_are_named_by_their_synsets(tmp_path: Path) -> None:
    head = "schema: 1\nname: x\nclasses: imagenet\nsets: {}\n"
    prompts = read(tmp_path, head + "prompts: {names: {n01440764: tench}}\n")
    assert prompts == Prompts((), {"n01440764": "tench"})


def test_readable_names_of_the_class_list_serve_where_no_others_are_given(tmp_path: Path) -> None:
    head = "schema: 1\nname: x\nclasses: {n1: tench, n2: goldfish, crane: crane}\nsets: {}\n"
    assert read(tmp_path, head) == Prompts((), {"n1": "tench", "n2": "goldfish"})
    prompts = read(tmp_path, head + "prompts: {names: {n2: gold fish}}\n")
    assert prompts == Prompts((), {"n1": "tench", "n2": "gold fish"})


MISTAKES = {
    "prompts: {template: [x]}": (
        "5: prompts: unknown key 'template'. Did you mean 'templates'? Allowed: templates, names."
    ),
    "prompts: [x]": "5: prompts: got a list. Allowed: keys with values.",
    "prompts: {templates: []}": "5: prompts.templates: got an empty list. Allowed: one template or more.",
    "prompts:\n  templates: of {}": "6: prompts.templates: got text 'of {}'. Allowed: a list.",
    "prompts:\n  templates:\n  - a {}\n  - a photo": (
        "8: prompts.templates[1]: has no place for the name of the class, got text 'a photo'. "
        "Allowed: text with {} in it, such as 'a photo of a {}.'."
    ),
    "prompts:\n  names:\n    aple: red apple": (
        "7: prompts.names: unknown class 'aple'. Did you mean 'apple'? Allowed: apple, pear, kiwi."
    ),
    "prompts:\n  names:\n    apple: ' '": "7: prompts.names.apple: got an empty name. Allowed: text.",
    "prompts:\n  names:\n    apple: 3": "7: prompts.names.apple: got 3. Allowed: text.",
    "prompts:\n  names:\n    apple: fruit\n    kiwi: fruit": (
        "8: prompts.names.kiwi: 'fruit' is already the name of 'apple'."
    ),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(tmp_path: Path, text: str) -> None:
    with pytest.raises(SuiteError) as raised:
        read(tmp_path, HEAD + text + "\n")
    assert str(raised.value) == f"quba-data.yaml:{MISTAKES[text]}"
