"""Words have one meaning in keys of files, options, their help, and docs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from quba_check.cli.main import quba_check as group
from quba_check.cli.schema import SCHEMAS
from quba_check.gate.options import OPTIONS
from tools.reference.options import all_commands

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "compatibility.md"
WORDS = {
    "bound": "the number, or letter, of a demand",
    "key": "a word before a colon in a file, such as `min`, `max` or `max_drop` before a bound",
    "threshold": "score from which an image is answered or called a class; a *threshold file* has demands",
    "lower, upper": "the ends of an interval",
    "limit": "the largest number of images or rows; a *confidence limit* is one end of a one-sided interval",
    "worker": "a process that predicts",
    "thread": "a thread of a process",
    "record": "the JSON file of a run",
    "report": "what people read: table, page, summary",
    "preprocessing": "the steps from an image file to the model's input",
}
KEYS = {
    r"preparations?": "preprocessing",
    r"(.*_)?(low|high)": "lower, upper",
    r"threshold": "bound",
    r"limit": "bound, but of images",
    r"workers": "threads, unless they are processes",
    r"report": "record",
}
"""Patterns of keys of files, each with the word to use."""
ALLOWED_KEYS = {"Record.limit"}
"""The number of images of a set."""
PROSE = {
    r"preparations?": "preprocessing",
    r"(?<!confidence )(?<!time )limits? of (a|the|each) demands?": "bound",
    r"thresholds? of (a|the|each) demands?": "bound",
    r"workers? threads?|threads? workers?": "worker or thread",
    r"(low|high) end": "lower or upper end",
    r"JSON report|report in JSON": "record",
}
"""Patterns of help, descriptions and docs, each with the word to use."""


def objects_of(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a schema by name."""
    schema = SCHEMAS[name]()
    yield str(schema.get("title", name)), schema
    yield from schema.get("$defs", {}).items()


def help_texts() -> Iterator[tuple[str, str]]:
    """Each option with its help."""
    yield from ((option.flag, option.help) for option in OPTIONS)
    for name, command in all_commands(group):
        for option in command.params:
            if isinstance(option, click.Option):
                yield f"{name} {option.opts[0]}", option.help or ""


def hits(text: str) -> list[str]:
    return [word for pattern, word in PROSE.items() if re.search(rf"\b({pattern})\b", text)]


@pytest.mark.parametrize("name", ["record", "thresholds", "suite"])
def test_keys(name: str) -> None:
    keys = {f"{title}.{key}" for title, schema in objects_of(name) for key in schema.get("properties", ())}
    wrong = {
        key: word
        for key in keys - ALLOWED_KEYS
        for pattern, word in KEYS.items()
        if re.fullmatch(pattern, key.rpartition(".")[2])
    }
    assert wrong == {}
    descriptions = (str(schema) for _, schema in objects_of(name))
    assert [text for text in descriptions if hits(text)] == []


def test_options() -> None:
    flags = {option.flag for option in OPTIONS}
    assert not flags & {f"--quba-{word}" for word in ("bound", "preparation", "report", "workers")}
    assert {place: words for place, text in help_texts() if (words := hits(text))} == {}


def test_docs() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    texts = {path.name: " ".join(path.read_text(encoding="utf-8").split()) for path in pages}
    assert {name: words for name, text in texts.items() if (words := hits(text))} == {}


def test_the_meanings_are_documented() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition("## Which words")[2]
    assert dict(re.findall(r"^\| (?!word)(\w.*) \| (.*) \|$", table, re.MULTILINE)) == WORDS
    assert len(text.split()) <= 500


def test_each_promise_names_a_test() -> None:
    places = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text(encoding="utf-8"))
    missing = [
        f"{path}::{name}"
        for path, name in places
        if f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]
    assert places
    assert missing == []
