"""The function of a serving pipeline: found before a model is loaded, and left alone by a plan."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from acceptance.runs import Judge, usage_error

MODULE = "from pathlib import Path\nPath('imported').touch()\n"


def test_a_misspelt_function_ends_the_run_and_a_plan_imports_nothing(
    judge: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = judge.pytester.path / "data"
    shutil.copytree(tiny_data, data)
    with (data / "quba-data.yaml").open("a", encoding="utf-8") as manifest:
        manifest.write("serving:\n  app: {call: 'shop:prepare'}\n")
    monkeypatch.setenv("QUBA_DATA", str(data))
    judge.write("shop.py", MODULE)
    judge.write("thresholds/x.yaml", "schema: 1\nserving: {app: {agreement: {min: 0.5}}}\n")
    assert judge("thresholds/x.yaml", "--quba-plan").ret == 0
    assert not (judge.pytester.path / "imported").exists()
    result = judge("thresholds/x.yaml")
    assert usage_error(result) == "shop:prepare: 'shop' has no attribute 'prepare'."
    assert "loading model" not in result.stdout.str()
