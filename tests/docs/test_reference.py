"""Tables and examples of the reference pages agree with the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import click
import pytest
from support.guides import DOCS

from quba_check.cli.main import quba_check
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.facts import SuiteFacts
from quba_check.core.view import CORRUPTIONS
from quba_check.demands import read_thresholds
from quba_check.demands.profiles import shipped_profiles
from quba_check.demands.schema import AttackedEntry, QubaEntry, ThresholdFile
from quba_check.dimensions import registry
from quba_check.gate.options import OPTIONS
from quba_check.suites import open_suite

SHARED = {"--help", "-h", "--store"}
OF_THE_GATE = {flag for option in OPTIONS for flag in (option.flag, option.alias) if flag is not None}
OF_THE_GATE |= {flag.replace("--quba-", "--") for flag in OF_THE_GATE}
SUITE = SuiteFacts("imagenet", 1000, ("sketch",), CORRUPTIONS, {"sketch": None})


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_table_of_dimensions() -> None:
    table = re.findall(r"^\| `(\w+)` \| (high|low) \| (\w+) \| (.*) \|$", page("dimensions.md"), re.MULTILINE)
    assert table == [
        (name, registry[name].better, registry[name].unit, registry[name].title)
        for name in PUBLISHED_DIMENSIONS
    ]


def test_the_table_of_sets_and_parts() -> None:
    section = page("dimensions.md").partition("## Which images")[2].partition("\n## ")[0]
    table = {quoted(name)[0]: (sets, parts) for name, sets, parts in rows(section)[1:] if "`" in name}
    assert list(table) == list(PUBLISHED_DIMENSIONS)
    for name, (sets, parts) in table.items():
        views = {view.set for view in registry[name].views(SUITE)}
        assert {"sketch" if stated == "shifts" else stated for stated in quoted(sets)} == views
        stated = [part.replace("SET", "sketch") for part in quoted(parts)]
        assert stated == [part.name for part in registry[name].parts(SUITE)]


def test_the_weights_of_the_score() -> None:
    section = page("score.md").partition("## How is the score")[2].partition("\n## ")[0]
    stated = {
        name: Fraction(weight) for names, weight in rows(section)[1:] for name in quoted(names) if weight
    }
    assert stated == {
        name: Fraction(registry[name].weight).limit_denominator(12) for name in PUBLISHED_DIMENSIONS
    }


def test_the_threshold_file_is_one(tmp_path: Path) -> None:
    (text,) = (block for block in blocks("thresholds.md") if "extends:" in block)
    path = tmp_path / "gate.yaml"
    path.write_text(text, encoding="utf-8")
    names = [demand.name for demand in read_thresholds(path, shown="gate.yaml", suite=SUITE).demands]
    assert {"accuracy[min]", "corruption_robustness.fog[min]", "quba.grade[min]"} <= set(names)
    assert "shape_bias[min]" not in names


def test_every_key_of_threshold_files_is_named() -> None:
    stated = {key for row in rows(page("thresholds.md")) for key in quoted(row[0])}
    fields = {**ThresholdFile.model_fields, **AttackedEntry.model_fields, **QubaEntry.model_fields}
    assert stated | {"parts"} == {field.alias or name for name, field in fields.items()}


def test_every_shipped_profile_is_named() -> None:
    for name in shipped_profiles():
        assert f"`{name}`" in page("thresholds.md")


def test_the_manifest_is_one(tmp_path: Path) -> None:
    (text,) = (block for block in blocks("data.md") if "my fruit" in block)
    (tmp_path / "quba-data.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "val").mkdir()
    suite = open_suite(tmp_path)
    assert suite.classes == ("apple", "banana", "cherry")
    assert suite.facts.shifts == ("sketch", "night")
    assert suite.facts.generates_corruptions


def blocks(name: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", page(name), re.DOTALL)


def test_every_option_of_pytest() -> None:
    stated = [(quoted(row[0])[0], quoted(row[1])) for row in rows(page("options.md")) if row[0][:3] == "`--"]
    assert stated == [
        (
            option.flag + (f"={option.metavar}" if option.metavar else ""),
            [option.key] if option.has_ini else [],
        )
        for option in OPTIONS
    ]


def test_every_older_name_of_an_option() -> None:
    for option in OPTIONS:
        assert option.alias is None or f"older name: `{option.alias}`" in page("options.md")


def commands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """The commands of `quba-check`, those of its groups as `suite describe`."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", found) for inner, found in commands(command))
        else:
            yield name, command


@pytest.mark.parametrize(("name", "command"), list(commands(quba_check)))
def test_every_option_of_a_command(name: str, command: click.Command) -> None:
    section = page("options.md").partition("## Which commands")[2]
    stated: dict[str, set[str]] = {}
    row = ""
    for start, option, _ in rows(section)[1:]:
        if start:
            row = " ".join(re.findall(r"(?<![\w.-])[a-z][a-z-]*(?= |$)", *quoted(start)))
        stated.setdefault(row, set()).update(flag.partition("=")[0] for flag in quoted(option))
    options = {
        flag for option in command.params if option.param_type_name == "option" for flag in option.opts
    }
    assert stated[name] == options - SHARED - (OF_THE_GATE if name == "doctor" else set())
