"""The five steps of CONTRIBUTING.md, followed to the letter in a temporary folder."""

import json
import re
from pathlib import Path

import pytest
from support.tiny import write_models, write_suite

ROOT = Path(__file__).parents[1]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"


def block(text: str) -> str:
    """The Python block of the steps, as printed."""
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return "\n".join(line.removeprefix("   ") for line in found.group(1).splitlines()) + "\n"


def test_the_named_files_exist() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:quba_check|tests|docs|tools|scripts)/[\w/.]+)`", text)
    assert len(paths) > 10
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []


@pytest.mark.slow
def test_a_dimension_of_your_own_in_five_steps(pytester: pytest.Pytester) -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    write_suite(pytester.path / "data")
    write_models(pytester.path)
    pytester.makeconftest(block(text))
    demand = re.search(r"`(confidence: \{.*?\})`", text)
    assert demand is not None
    (pytester.path / "gate.yaml").write_text(
        f"schema: 1\ndimensions:\n  {demand.group(1)}\n", encoding="utf-8"
    )
    pytester.syspathinsert()
    result = pytester.runpytest_subprocess(
        "gate.yaml", "--model=tiny_models:net", "--quba-data=data", "--quba-record=report.json", "-v"
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["gate.yaml::confidence[[]min[]] PASSED*", "confidence * >= 0.5 * PASS*"])
    record = json.loads((pytester.path / "report.json").read_text(encoding="utf-8"))
    assert 1 / 3 < record["measurements"]["confidence"]["value"] <= 1
    assert record["measurements"]["accuracy"] == {"not_measured": True}
