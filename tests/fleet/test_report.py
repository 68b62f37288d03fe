"""Tables, lines, JSON and exit codes of fleets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quba_check.fleet.report import counts, duration, exit_code, fleet_json, fleet_table, result_line
from quba_check.fleet.result import ModelResult

RELEASED = ModelResult(
    "r50", "r50.pt", Path("out/r50"), "released", "pass", ("B",), seconds=700.0, exit_code=0
)
FAILED = ModelResult(
    "vit",
    "timm:vit",
    Path("out/vit"),
    "not released",
    "fail",
    ("C", "D"),
    ("accuracy", "shape_bias", "object_focus"),
    9_000.0,
    1,
)
UNCERTAIN = ModelResult(
    "net", "net.pt", Path("out/net"), "not released", "uncertain", (), ("accuracy",), 5.0, 6, is_reused=True
)
KILLED = ModelResult(
    "big", "big.pt", Path("out/big"), seconds=40.0, exit_code=-9, problem="its process was ended"
)
ABSENT = ModelResult("gone", "gone.pt", Path("out/gone"), problem="gone.pt: no such file in /models.")


def test_the_table() -> None:
    assert fleet_table([RELEASED, FAILED, UNCERTAIN, KILLED, ABSENT], 80) == (
        "model  verdict     grade  failed                             time\n"
        "r50    pass        B                                       12 min\n"
        "vit    fail        C, D   accuracy, shape_bias and 1 more   2.5 h\n"
        "net    uncertain   -      accuracy                            5 s\n"
        "big    not judged  -                                         40 s\n"
        "gone   not judged  -                                            -\n"
        "\n"
        "big: its process was ended (log: out/big/log.txt)\n"
        "gone: gone.pt: no such file in /models.\n"
        "5 models: 1 released, 2 not released, 2 not judged\n"
    )


def test_a_table_of_one_model() -> None:
    assert fleet_table([RELEASED], 80).endswith("\n\n1 model: 1 released\n")


def test_long_problems_are_wrapped() -> None:
    long = ModelResult("big", "big.pt", Path("out/big"), exit_code=4, problem="word " * 30)
    lines = fleet_table([long], 40).splitlines()
    assert max(map(len, lines)) <= 72


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (RELEASED, "r50: released, grade B, 12 min"),
        (FAILED, "vit: not released, grade C, D, 2.5 h: accuracy, shape_bias, object_focus"),
        (UNCERTAIN, "net: not released, judged before: accuracy"),
        (KILLED, "big: not judged, 40 s: its process was ended (log: out/big/log.txt)"),
        (ABSENT, "gone: not judged: gone.pt: no such file in /models."),
    ],
)
def test_lines(result: ModelResult, line: str) -> None:
    assert result_line(result) == line


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([RELEASED], 0),
        ([RELEASED, FAILED], 1),
        ([RELEASED, UNCERTAIN], 6),
        ([UNCERTAIN, FAILED], 1),
        ([RELEASED, ABSENT], 5),
        ([FAILED, UNCERTAIN, KILLED], 5),
    ],
)
def test_exit_codes(results: list[ModelResult], code: int) -> None:
    assert exit_code(results) == code


def test_a_selection_is_no_release() -> None:
    partial = ModelResult("a", "a.pt", Path("out/a"), "not released", "partial", exit_code=0)
    assert exit_code([RELEASED, partial]) == 1


def test_json() -> None:
    content = json.loads(fleet_json([FAILED, ABSENT], 5))
    assert content == {
        "schema": 1,
        "exit_code": 5,
        "counts": {"released": 0, "not released": 1, "not judged": 1},
        "models": [
            {
                "name": "vit",
                "model": "timm:vit",
                "outcome": "not released",
                "verdict": "fail",
                "grades": ["C", "D"],
                "failed": ["accuracy", "shape_bias", "object_focus"],
                "problem": None,
                "exit_code": 1,
                "seconds": 9000.0,
                "judged_before": False,
                "records": [],
                "log": "out/vit/log.txt",
            },
            {
                "name": "gone",
                "model": "gone.pt",
                "outcome": "not judged",
                "verdict": "not judged",
                "grades": [],
                "failed": [],
                "problem": "gone.pt: no such file in /models.",
                "exit_code": None,
                "seconds": 0.0,
                "judged_before": False,
                "records": [],
                "log": None,
            },
        ],
    }


def test_counts() -> None:
    assert counts([]) == "none judged"
    assert counts([RELEASED, RELEASED, KILLED]) == "2 released, 1 not judged"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (100, "2 min"), (5_399, "90 min"), (5_400, "1.5 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
