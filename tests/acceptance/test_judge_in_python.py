"""`quba_check.judge`: the record of the command, without pytest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from types import FrameType

import pytest
from acceptance.runs import Judge, same_findings

import quba_check
from quba_check.engine.engine import Engine
from quba_check.errors import HeadError, OptionError


def test_the_record_is_that_of_the_command(judge: Judge, capfd: pytest.CaptureFixture[str]) -> None:
    assert judge("thresholds/x.yaml", "--quba-report=command.json").ret == pytest.ExitCode.OK
    capfd.readouterr()
    record = quba_check.judge("nets:net", thresholds="thresholds/x.yaml", record="python.json")
    assert capfd.readouterr() == ("", "")
    assert same_findings(judge.record("python.json"), judge.record("command.json"))
    assert same_findings(json.loads(record.to_json()), judge.record("command.json"))
    assert (judge.pytester.path / "python.npz").exists()
    with pytest.raises(HeadError):
        quba_check.judge("nets:FourClasses", thresholds="thresholds/x.yaml", record="python.json")
    assert not (judge.pytester.path / "python.json").exists(), "it is not of this run"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limt": 5}, "judge: unknown option, got 'limt'. Allowed: "),
        ({"limit": "few"}, "--quba-limit: got 'few'. Allowed: a whole number from 1."),
        ({"trust_pickle": "no"}, "judge: trust_pickle: got 'no'. Allowed: True or False."),
    ],
)
def test_options_that_are_wrong(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        quba_check.judge("demo", **options)
    assert str(caught.value).startswith(message)


def test_a_model_that_is_no_spec() -> None:
    with pytest.raises(OptionError) as caught:
        quba_check.judge(Counter())  # type: ignore[arg-type]
    assert str(caught.value) == (
        "judge: model: got Counter. Allowed: a model spec, such as 'my_models:net', a function that returns "
        "the model."
    )


def test_it_imports_no_pytest() -> None:
    code = "import quba_check, sys; quba_check.judge; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_judging_enters_no_code_of_models_after_the_last_image(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and f"{os.sep}quba_check{os.sep}models{os.sep}" in frame.f_code.co_filename:
            entered.append(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")

    predictions = Engine.predictions

    def predicted(*arguments: object) -> object:
        sys.setprofile(None)
        try:
            return predictions(*arguments)  # type: ignore[arg-type]
        finally:
            entered.clear()
            sys.setprofile(note)

    monkeypatch.setattr(Engine, "predictions", predicted)
    try:
        quba_check.judge("nets:net", thresholds="thresholds/x.yaml", record="python.json")
    finally:
        sys.setprofile(None)
    assert entered == []
