"""The plan of a run: a table alone with `--quba-plan`, and two lines before every run."""

from __future__ import annotations

import pytest
from acceptance.runs import Judge, usage_error

TABLE = """\
nets:net on tiny, protocol standard, cpu
view                    images  from   in store  forward  backward   to store
clean                        9  files         0        9         0  396 bytes
clean+fgsm                   9  files         0       18         9  297 bytes
clean+pgd                    9  files         0       99        90  297 bytes
corruptions (75 views)     225  files         0      225         0     7.2 kB
sketch                       6  files         0        6         0  192 bytes
night                        6  files         0        6         0  192 bytes
mixed_same                   6  files         0        6         0  192 bytes
mixed_rand                   6  files         0        6         0  192 bytes
cue_conflict                 9  files         0        9         0  360 bytes
total                      285                0      384        99     9.3 kB

plan: 83 views, 285 images, 9.3 kB to store
at most 384 forward and 99 backward passes, time on cpu not known yet
PGD takes at most these passes: images that it fools leave early.
Nothing was run, and no record was written."""


def text_from(result: pytest.RunResult, start: str) -> str:
    """The output from a line up to the next empty line but one."""
    lines = result.outlines
    first = lines.index(start)
    last = next(number for number in range(first, len(lines)) if lines[number].startswith("Nothing was run"))
    return "\n".join(lines[first : last + 1])


def plan_of(result: pytest.RunResult) -> list[str]:
    """The lines of the plan before a run."""
    lines = result.outlines
    first = next(number for number, line in enumerate(lines) if line.startswith("plan: "))
    return lines[first : first + 2]


def test_the_table_is_shown_and_nothing_is_run(judge_cold: Judge) -> None:
    record = judge_cold.write("record.json", "")
    result = judge_cold("thresholds/x.yaml", "--quba-plan", "--quba-report=record.json")
    assert result.ret == 0
    assert text_from(result, TABLE.splitlines()[0]) == TABLE
    assert judge_cold.passes() == {}
    assert record.read_text() == ""
    assert not any((judge_cold.store / "runs").iterdir())
    assert not any((judge_cold.store / "predictions").iterdir())
    assert "no demand was judged" not in result.stdout.str()


def test_it_starts_no_worker(judge_cold: Judge) -> None:
    result = judge_cold("thresholds/x.yaml", "--quba-plan", "-n2")
    assert result.ret == 0
    assert "workers" not in result.stdout.str()
    assert text_from(result, TABLE.splitlines()[0]) == TABLE


def test_a_run_makes_the_planned_passes(judge_cold: Judge) -> None:
    selected = ("thresholds/x.yaml", "-k", "adversarial_robustness or object_focus")
    result = judge_cold(*selected)
    assert plan_of(result) == [
        "plan: 5 views, 39 images (9 in the store), 978 bytes to store",
        "at most 129 forward and 99 backward passes, time on cpu not known yet",
    ]
    # The doctor's examination takes passes too.
    assert judge_cold.passes()["backward"] <= 99
    after = judge_cold(*selected, "--quba-plan", "-q")
    assert "all predictions are in the store" in after.outlines


def test_a_filled_store_leaves_nothing_to_predict(judge: Judge) -> None:
    assert plan_of(judge("thresholds/x.yaml")) == [
        "plan: 83 views, 285 images",
        "all predictions are in the store",
    ]


def test_a_quiet_run_prints_no_plan(judge: Judge) -> None:
    assert not [line for line in judge("thresholds/x.yaml", "-q").outlines if line.startswith("plan: ")]


def test_only_selected_demands_are_planned(judge_cold: Judge) -> None:
    result = judge_cold("thresholds/x.yaml", "-k", "object_focus", "--quba-plan")
    assert plan_of(result)[0] == "plan: 3 views, 21 images, 780 bytes to store"
    result = judge_cold("thresholds/x.yaml", "-k", "nothing", "--quba-plan")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_models_and_protocols_are_planned_once(judge_cold: Judge) -> None:
    thresholds = "schema: 1\ndimensions:\n  accuracy: {min: 0.1}\n  adversarial_robustness: {min: 0.1}\n"
    judge_cold.write("thresholds/standard.yaml", thresholds)
    judge_cold.write("thresholds/released.yaml", f"{thresholds}protocol: released\n")
    judge_cold.write("thresholds/again.yaml", thresholds)
    files = [f"thresholds/{name}.yaml" for name in ("standard", "released", "again")]
    result = judge_cold(*files, "--model=nets:other", "--quba-plan")
    titles = [line for line in result.outlines if " on tiny, protocol " in line]
    assert titles == [
        f"nets:{model} on tiny, protocol {protocol}, cpu"
        for model in ("other", "net")
        for protocol in ("standard", "released")
    ]
    assert result.outlines.count("1 view shared with the protocol above") == 2
    assert plan_of(result)[0].startswith("plan: 10 views, 90 images, ")


def test_an_error_ends_it_as_it_ends_a_run(judge_cold: Judge) -> None:
    result = judge_cold("thresholds/x.yaml", "--quba-plan", model="nets:nothing")
    assert usage_error(result).startswith("nets:nothing: ")
