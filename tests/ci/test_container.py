"""The container's pinned versions, and what its build may read, agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "containers" / "Dockerfile").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_pinned_versions_are_allowed() -> None:
    project = PYPROJECT["project"]
    (python,) = re.findall(r"^FROM python:([\d.]+)-", DOCKERFILE, re.MULTILINE)
    assert python in SpecifierSet(project["requires-python"])
    assert f"Programming Language :: Python :: {python.rpartition('.')[0]}" in project["classifiers"]
    requirements = {
        requirement.name: requirement for requirement in map(Requirement, project["dependencies"])
    }
    for name in ("torch", "torchvision"):
        (version,) = re.findall(rf"^ARG {name.upper()}=(.+)$", DOCKERFILE, re.MULTILINE)
        assert version in requirements[name].specifier


def test_the_build_reads_all_that_the_wheel_is_made_of() -> None:
    project = PYPROJECT["project"]
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "pyproject.toml",
        project["readme"],
        *project["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
    }
    ignored, *lines = (
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    assert ignored == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == needed
