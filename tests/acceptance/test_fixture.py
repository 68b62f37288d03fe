"""The fixture `quba`: tests written in Python, with and without threshold files."""

import pytest
from acceptance.runs import CLEAN_IMAGES, Judge, examined


@pytest.mark.usefixtures("without_stored_check")
def test_with_and_without_a_threshold_file(judge: Judge) -> None:
    judge.write(
        "test_own.py",
        """
def test_own(quba):
    assert quba.measure("accuracy").value > 0.6

def test_fails(quba):
    assert quba.measure("accuracy").value > 0.7
""",
    )
    result = judge("thresholds/x.yaml", "test_own.py", "-q")
    result.assert_outcomes(passed=14, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*def test_fails(quba):*",
            "E   *assert 0.66* > 0.7",
            "E   *where 0.66* = Measurement(accuracy 0.667 fraction, n=9, 0.299..0.925).value",
            "E   *where Measurement(accuracy 0.667 fraction, n=9, 0.299..0.925) = measure('accuracy')",
            "E   *where measure = Evaluation(nets:net on tiny, protocol standard).measure",
        ]
    )
    alone = judge("test_own.py::test_own")
    alone.assert_outcomes(passed=1)
    assert judge.passes() == {"forward": examined()}


def test_without_a_model_it_skips(judge: Judge) -> None:
    judge.write("test_own.py", "def test_own(quba):\n    pass\n")
    result = judge("test_own.py", "-rs", model=None)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("SKIPPED * the fixture 'quba' needs a model. Name one with --model=SPEC.")


def test_each_of_several_models(judge_cold: Judge) -> None:
    judge_cold.write(
        "test_own.py",
        """
import numpy as np

def test_own(quba):
    assert quba.answers([np.zeros((8, 8, 3), np.uint8)]).probabilities.shape == (1, 3)
    assert quba.measure("accuracy").n == 9

def test_other():
    pass
""",
    )
    result = judge_cold("test_own.py", "-v", "--model=nets:other")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["test_own.py::test_own[[]nets:other[]] PASSED*", "test_own.py::test_own[[]nets:net[]] PASSED*"],
        consecutive=False,
    )
    assert judge_cold.passes() == {"forward": 2 * (CLEAN_IMAGES + 1)}


def test_the_protocol_is_that_of_the_option(judge: Judge) -> None:
    judge.write("test_own.py", "def test_own(quba):\n    assert quba.protocol.name == 'released'\n")
    judge("test_own.py", "--quba-protocol=released").assert_outcomes(passed=1)


def test_a_model_that_cannot_be_used_is_one_line(judge: Judge) -> None:
    judge.write("test_own.py", "def test_own(quba):\n    pass\n")
    result = judge("test_own.py", model="nets:nett")
    result.assert_outcomes(errors=1)
    assert "nets:nett: 'nets' has no attribute 'nett'. Did you mean 'net'?" in result.outlines
    # The row of results begins with an E too, after the line that the model is being loaded.
    lines = [line for line in result.outlines if not line.endswith("[100%]")]
    assert not any("Traceback" in line or line.startswith("E  ") for line in lines)
