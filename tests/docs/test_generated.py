"""The reference pages are those that the code gives, and the generator leaves nothing out."""

from __future__ import annotations

import re

import click
import pytest
from support.guides import DOCS

import quba_check
from quba_check import errors
from quba_check.cli.main import quba_check as group
from quba_check.cli.schema import SCHEMAS
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.gate.options import OPTIONS
from quba_check.suites.opening import published_facts
from tools.reference.__main__ import PAGES
from tools.reference.errors import ADVICE, AREAS, PACKAGE
from tools.reference.markdown import NOTICE, anchor, table
from tools.reference.options import PAGES as LINKED
from tools.reference.options import all_commands
from tools.reference.schemas import schema_page


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    assert page(name) == PAGES[name](), "run: python -m tools.reference"


def test_no_other_page_claims_to_be_generated() -> None:
    names = {
        path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if NOTICE in path.read_text("utf-8")
    }
    assert names == set(PAGES)


def test_every_option_of_pytest_is_there() -> None:
    text = page("options.md")
    for option in OPTIONS:
        for name in (option.flag, option.alias):
            assert name is None or f"`{name}" in text
    only = [f"`{option.flag}`" for option in OPTIONS if not option.has_ini]
    assert f"{', '.join(only)} stand on the command line only." in text


def test_every_command_is_there_with_its_options_and_example() -> None:
    text = page("options.md")
    gate = {flag for option in OPTIONS for flag in (option.flag, option.alias) if flag}
    for name, command in all_commands(group):
        section = text.partition(f"### quba-check {name}\n")[2].partition("\n### ")[0]
        assert section, name
        assert (command.epilog or "").removeprefix("Example: ") in section
        for option in (param for param in command.params if isinstance(param, click.Option)):
            flags = set(option.opts)
            assert flags & gate or flags <= {"--store"} or all(f"`{flag}" in section for flag in flags), flags


def test_every_command_has_a_page() -> None:
    commands = [name for name, _ in all_commands(group)]
    assert [name for name in commands if name not in LINKED] == [], (
        "add them to PAGES in tools/reference/options.py"
    )
    assert set(LINKED) <= {*commands, *(option.flag for option in OPTIONS)}


def test_every_dimension_is_there_with_its_parts() -> None:
    text = page("reference/dimensions.md")
    for name in PUBLISHED_DIMENSIONS:
        dimension = registry[name]
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert dimension.title in section
        assert dimension.source in section
        for part in dimension.parts(published_facts()):
            assert (
                f"| `{part.name}` | {part.better or 'reported only'} | {part.unit} | {part.title} |"
                in section
            )


@pytest.mark.parametrize(
    ("name", "form"), [("thresholds", "thresholds"), ("manifest", "suite"), ("record", "record")]
)
def test_every_key_of_a_format_is_there(name: str, form: str) -> None:
    schema = SCHEMAS[form]()
    objects = [schema, *schema["$defs"].values()]
    keys = {key for item in objects for key in item.get("properties", {})}
    assert keys <= set(re.findall(r"^\| `(\w+)` \|", page(f"reference/{name}.md"), re.MULTILINE))


def test_every_class_of_errors_has_advice() -> None:
    classes = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.QubaError)
    }
    assert set(ADVICE) == classes


def test_every_folder_that_raises_has_a_heading() -> None:
    areas = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert set(AREAS) <= areas


@pytest.mark.parametrize(
    "message",
    [
        "`FLAG: unknown protocol 'VALUE'. Allowed: PROTOCOLS. Did you mean …?`",
        "`unknown dimension 'NAME'. Did you mean …? Allowed: NAMES.`",
        "`FILE:LINE: KEY: got text 'VALUE'. Allowed: a number from 0, or a percentage such as 2%.`",
        "`class_balance needs at least two classes; the suite has one`",
    ],
)
def test_messages_read_as_they_are_printed(message: str) -> None:
    assert f"- {message}\n" in page("reference/errors.md")


def test_the_python_page_has_every_public_name() -> None:
    names = re.findall(r"^::: quba_check\.(\w+)$", page("reference/python.md"), re.MULTILINE)
    assert sorted(names) == sorted(quba_check.__all__)


def test_cells_stay_cells() -> None:
    assert table(("a", "b"), [("x | y", "two\nlines")]) == "| a | b |\n|---|---|\n| x \\| y | two lines |"
    assert table(("a", "b", "c"), [("1", "", "3")]) == "| a | c |\n|---|---|\n| 1 | 3 |"


def test_anchors_are_those_of_github() -> None:
    assert anchor("`dimensions.NAME` (a part)") == "dimensionsname-a-part"
    assert anchor("adversarial_robustness") == "adversarial_robustness"


def test_objects_of_a_schema_are_described_once() -> None:
    inner = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    schema = {
        "properties": {
            "first": {"$ref": "#/$defs/Inner"},
            "second": {"anyOf": [{"$ref": "#/$defs/Inner"}, {"type": "null"}], "default": None},
        },
        "$defs": {
            "Inner": {**inner, "title": "Inner", "description": "A thing.\n\nAttributes:\n    n: its size."}
        },
    }
    assert schema_page("T", schema, "Intro.", {}).split("\n\n", 2)[2] == (
        "Intro.\n\n## Keys of the file\n\n"
        "| key | value | meaning |\n|---|---|---|\n"
        "| `first` | [first](#first) | A thing. |\n| `second` | [first](#first) | A thing. |\n\n"
        "## first\n\nA thing.\n\n"
        "| key | value | meaning |\n|---|---|---|\n| `n` | whole number from 1; required | Its size. |\n"
    )
