"""The README says what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.facts import SuiteFacts
from quba_check.core.view import CORRUPTIONS
from quba_check.demands import read_thresholds
from quba_check.demands.profiles import shipped_profiles
from quba_check.dimensions import registry
from quba_check.gate.options import OPTIONS
from quba_check.suites import open_suite

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SUITE = SuiteFacts("imagenet", 1000, ("sketch",), CORRUPTIONS, {"sketch": None})


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_table_of_dimensions() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (high|low) \| (\w+) \| (.*) \|$", README, re.MULTILINE)
    assert rows == [
        (name, registry[name].better, registry[name].unit, registry[name].title)
        for name in PUBLISHED_DIMENSIONS
    ]


def test_the_threshold_file_is_one(tmp_path: Path) -> None:
    (text,) = (block for block in blocks("yaml") if "extends:" in block)
    path = tmp_path / "gate.yaml"
    path.write_text(text, encoding="utf-8")
    names = [demand.name for demand in read_thresholds(path, shown="gate.yaml", suite=SUITE).demands]
    assert {"accuracy[min]", "corruption_robustness.fog[min]", "quba.grade[min]"} <= set(names)
    assert "shape_bias[min]" not in names


def test_the_manifest_is_one(tmp_path: Path) -> None:
    (text,) = (block for block in blocks("yaml") if "my fruit" in block)
    (tmp_path / "quba-data.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "val").mkdir()
    suite = open_suite(tmp_path)
    assert suite.classes == ("apple", "banana", "cherry")
    assert suite.facts.shifts == ("sketch", "night")
    assert suite.facts.generates_corruptions


def test_every_shipped_profile_is_named() -> None:
    for name in shipped_profiles():
        assert f"`{name}`" in README


def test_only_options_that_there_are() -> None:
    known = {option.flag for option in OPTIONS}
    assert set(re.findall(r"--(?:quba-[a-z-]+|model)", README)) <= known


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
