"""The reference pages are those that the code gives, and the generator leaves nothing out."""

import re
from pathlib import Path

import click
import pytest
from support.guides import DOCS

import quba_check
from quba_check import errors
from quba_check.cli.main import quba_check as group
from quba_check.cli.schema import FILE, SCHEMAS, schema_text
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.gate.options import OPTIONS
from quba_check.suites.opening import published_facts
from tools.reference.__main__ import PAGES
from tools.reference.dimensions import general_title
from tools.reference.errors import ADVICE, MESSAGES
from tools.reference.markdown import NOTICE, anchor, table
from tools.reference.options import PAGES as LINKED
from tools.reference.options import all_commands
from tools.reference.schemas import format_sections


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    assert page(name) == PAGES[name](), "run: python -m tools.reference"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_up_to_date(name: str) -> None:
    text = (DOCS.with_name("schemas") / FILE.format(name)).read_text(encoding="utf-8")
    assert text == schema_text(name), "run: python -m tools.reference"


def test_no_other_page_claims_to_be_generated() -> None:
    names = {
        path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if NOTICE in path.read_text("utf-8")
    }
    assert names == set(PAGES)


def test_every_option_of_pytest_is_there() -> None:
    text = page("options.md")
    for option in OPTIONS:
        assert f"`{option.flag}" in text
    only = [f"`{option.flag}`" for option in OPTIONS if not option.has_ini]
    assert f"{', '.join(only)} stand on the command line only." in text


def test_every_command_is_there_with_its_options() -> None:
    text = page("options.md")
    gate = {option.flag for option in OPTIONS}
    for name, command in all_commands(group):
        section = text.partition(f"### quba-check {name}\n")[2].partition("\n### ")[0]
        assert section, name
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
        for part in dimension.parts(published_facts()):
            title = general_title(part.title, published_facts())
            kind = f"{part.better or 'reported only'} | {part.unit} | {title}"
            (row,) = (line for line in section.splitlines() if f"`{part.name}`" in line and line[0] == "|")
            assert row.endswith(f"| {kind} |")


@pytest.mark.parametrize(
    ("name", "form"),
    [("files", "thresholds"), ("files", "suite"), ("files", "preprocessing"), ("record", "record")],
)
def test_every_key_of_a_format_is_there(name: str, form: str) -> None:
    schema = SCHEMAS[form]()
    objects = [schema, *schema.get("$defs", {}).values()]
    keys = {key for item in objects for key in item.get("properties", {})}
    lines = re.findall(r"^- ((?:`\w+`(?:, )?)+): ", page(f"reference/{name}.md"), re.MULTILINE)
    assert keys <= {key.strip("`") for line in lines for key in line.split(", ")}


def test_every_class_of_errors_has_advice() -> None:
    classes = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.QubaError)
    }
    assert set(ADVICE) == classes


def test_the_explained_messages_exist() -> None:
    package = Path(errors.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    assert [message.words for message in MESSAGES if message.words not in source] == []


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
    assert [*format_sections("T", schema, "Intro.", {})] == [
        "## T",
        "Intro.",
        "- `first`, `second`: [first](#first). A thing.",
        "### first",
        "- `n`: integer from 1; required. Its size.",
    ]


def test_keys_of_two_objects_are_described_once() -> None:
    keys = {name: {"type": "string", "description": f"Its {name}."} for name in "abc"}
    more = keys | {"d": {"type": "string", "description": "Its d."}}
    objects = {
        name: {"type": "object", "properties": properties}
        for name, properties in {"x": keys, "y": more}.items()
    }
    assert [*format_sections("T", {"properties": objects}, "", {})][-1] == (
        "As in [x](#x): `a`, `b`, `c`.\n\n- `d`: text. Its d."
    )
