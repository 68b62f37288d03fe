"""Several models in one run."""

from __future__ import annotations

import pytest
from acceptance.runs import CLEAN_IMAGES, NINE, PGD_PASSES, Judge, closed_form, examined


def test_each_is_measured_judged_and_recorded(judge_cold: Judge) -> None:
    result = judge_cold("thresholds/x.yaml", "--model=nets:other", "--quba-report=record.json", "-v")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=26)
    result.stdout.fnmatch_lines(
        [
            "thresholds/x.yaml::corruption_robustness.fog[[]min-nets:other] PASSED*",
            "thresholds/x.yaml::corruption_robustness.fog[[]min-nets:net] PASSED*",
            "*= quba-check nets:other =*",
            "*= quba-check nets:net =*",
        ]
    )
    lines = "\n".join(result.outlines)
    for name in ("nets:net", "nets:other"):
        assert f"\nquba-check: {name}: clean+pgd: {CLEAN_IMAGES} images" in lines
    # The second model is another one, for which PGD takes other passes.
    most, fewest = 10 * CLEAN_IMAGES, closed_form()["forward"] - PGD_PASSES[0] + CLEAN_IMAGES
    passes = judge_cold.passes()
    assert closed_form()["forward"] + fewest <= passes["forward"] <= closed_form()["forward"] + fewest + most
    for name in ("net", "other"):
        record = judge_cold.record(f"record-nets-{name}-standard.json")
        assert record["model"]["name"] == f"nets:{name}"
        assert {row["id"].endswith(f"-nets:{name}]") for row in record["verdicts"]} == {True}
        assert ["value" in record["measurements"][dimension] for dimension in NINE] == [True] * 9

    one = judge_cold("thresholds/x.yaml::accuracy[min-nets:other]", "--model=nets:other", "-v")
    one.assert_outcomes(passed=1)


def test_equal_models_each_leave_a_record(judge: Judge) -> None:
    result = judge("thresholds/x.yaml", "--model=nets:twin", "--quba-report=record.json")
    assert result.ret == pytest.ExitCode.OK
    prints = {
        judge.record(f"record-nets-{name}-standard.json")["model"]["fingerprint"] for name in ("net", "twin")
    }
    assert len(prints) == 1
    assert len(list((judge.store / "runs").glob("*.json"))) == 2
    assert judge.passes() == {"forward": 2 * examined()}  # predictions are shared


def test_checkpoints_of_the_same_name_have_names_of_their_own(judge_cold: Judge) -> None:
    import timm
    import torch

    state = timm.create_model("test_resnet", num_classes=3).state_dict()
    for folder in ("a", "b"):
        (judge_cold.pytester.path / folder).mkdir()
        torch.save(state, judge_cold.pytester.path / folder / "net.pt")
    judge_cold.write("thresholds/x.yaml", "schema: 1\ndimensions: {parameters: {max: 1}}\n")
    result = judge_cold(
        "thresholds/x.yaml",
        "--model=a/net.pt",
        "--quba-arch=test_resnet",
        "-v",
        "--quba-report=record.json",
        model="b/net.pt",
    )
    result.stdout.fnmatch_lines(
        [
            "*::parameters[[]max-net] PASSED*",
            "*::parameters[[]max-net~2] PASSED*",
            "*= quba-check net =*",
            "*= quba-check net~2 =*",
        ]
    )
    made = [judge_cold.record(f"record-{name}-standard.json")["model"] for name in ("net", "net-2")]
    assert [(model["name"], model["spec"]) for model in made] == [
        ("net", "a/net.pt"),
        ("net~2", "b/net.pt"),
    ]
