"""The doctor's findings before a run: printed first, without effect on the exit code."""

from __future__ import annotations

import itertools
import re

import pytest
from acceptance.runs import Judge

PRINTED = (
    r"doctor: nets:LooksAlongTheBatch: an image's answer depends on the rest of its batch\. "
    r"evidence: in another batch, answers change by up to [\d.]+% of their range, no label changes "
    r"fix: compute each image on its own: nothing in forward\(\) may combine values along the batch"
)


def test_a_finding_is_printed_and_changes_no_exit_code(judge: Judge) -> None:
    judge.write("thresholds/x.yaml", "schema: 1\ndimensions: {accuracy: {min: 0.1}}\n")
    result = judge("thresholds/x.yaml", model="nets:LooksAlongTheBatch")
    assert result.ret == pytest.ExitCode.OK
    start = next(k for k, line in enumerate(result.outlines) if "test session starts" in line)
    printed = itertools.dropwhile(lambda line: not line.startswith("doctor: "), result.outlines[:start])
    assert re.fullmatch(PRINTED, " ".join(" ".join(printed).split()))
    assert max(map(len, result.outlines[:10])) <= 80
